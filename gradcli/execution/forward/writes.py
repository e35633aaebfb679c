"""Statements that change what there is: in place, by an index or an attribute, or before a leaf is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import ExecutionError, GradcliError
from gradcli.execution.forward import tree
from gradcli.execution.forward.draws import handed_on
from gradcli.execution.forward.expressions import Evaluator
from gradcli.execution.forward.fills import check_place, numbers
from gradcli.execution.forward.in_place import refuse_assignment, refuse_clash
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.modules import Instance, Module, Pending
from gradcli.execution.forward.refusals import refusals
from gradcli.execution.forward.refused_calls import refuse_floats
from gradcli.execution.forward.values import Value
from gradcli.language.operator_table import PRODUCT
from gradcli.language.program import Call, Expression, Fill, InPlace, Leaf, Literal, Name, SetAttribute, SetItem
from gradcli.ops.table import find

SHAPE = "what is computed in place has a different shape than the tensor, which PyTorch refuses"


class Writes(Evaluator):
    """Runs these statements."""

    def name_value(self, value: Any, name: str) -> None:
        """Take note that the program calls a value by a name."""
        if isinstance(value, Value):
            value.adopt(name)
        else:
            self.machine.named(value, name)

    def set_attribute(self, statement: SetAttribute) -> Any:
        """Run `self.name = value`, or `x.requires_grad = False`."""
        owner, name = self.evaluate(statement.owner), statement.name
        if name == "requires_grad" and isinstance(owner, Module):
            return owner.switch("requires_grad_", [self.evaluate(statement.value)])
        if name == "requires_grad" and self.machine.tensor(owner) is not None:
            return self._flagged(owner, statement)
        if not isinstance(owner, Instance):
            raise self.error(f"'{self.program.text(statement.owner)}' takes no new attributes", statement)
        own = f"{owner.name}.{name}"
        owner.attributes[name] = value = self._attributed(statement.value, own)
        if owner.name is not None or not isinstance(value, Value):
            self.name_value(value, own)
        return value

    def _attributed(self, node: Expression, name: str) -> Any:
        """Return the value of an attribute; a parameter becomes a leaf when it is used."""
        if not isinstance(node, Leaf):
            return self.called_as(node, name)
        value = self.evaluate(node.value)
        tensor = self.machine.tensor(value)
        return self.leaf(node, name) if tensor is None or tensor.requires_grad else Pending(value, node)

    def fill(self, statement: Fill) -> Any:
        """Give a tensor other numbers: a leaf of the program's keeps what an option gives it."""
        value, call = self.evaluate(statement.target), statement.value
        tensor = self.machine.tensor(value)
        if tensor is None:
            raise self.error(f"`{self.program.text(statement.target)}` is not a tensor", statement.target)
        given = [self._plain_tensor(self.evaluate(part)) for part in call.arguments]
        keywords = {name: self.evaluate(part) for name, part in call.keywords}
        try:
            quiet = statement.is_quiet or not self.records
            check_place(tensor, self.program.text(statement.target), is_quiet=quiet)
            found = numbers(call.function, tensor, given, keywords, self.draws)
            if tensor.requires_grad:
                self._refill(value, found, statement)
            else:
                self.replaced[id(value)] = value, handed_on(self, call, found)
        except GradcliError as error:
            raise self.located(error, statement) from None
        return None

    def _plain_tensor(self, value: Any) -> Any:
        tensor = self.machine.tensor(value)
        return value if tensor is None else tensor.detach()

    def _refill(self, value: Any, found: Any, statement: Fill | SetItem | Call) -> None:
        if any(value is self.variables.get(leaf.name) for leaf in self.program.leaves):
            name = next(leaf.name for leaf in self.program.leaves if value is self.variables.get(leaf.name))
            raise self.error(f"'{name}' is a leaf of the program", statement, f"`--value {name}=...` gives its numbers")
        if not any(value is known for known in self.given.values()):
            self.machine.refill(value, found)

    def _flagged(self, value: Any, statement: SetAttribute) -> Any:
        """Make a constant of a tensor, by all the names that it has; what requires grad already goes on to."""
        if self.evaluate(statement.value):
            is_leaf = self.machine.tensor(value).requires_grad
            made = value if is_leaf else self.new_leaf(value, self.program.text(statement.owner), statement.owner)
            if made is not value:
                self.replaced[id(value)] = value, made
            return made
        op, call = find("detach"), Call("detach", (statement.owner,), (), statement.span, statement.span)
        assert op is not None  # noqa: S101 (the table has it)
        constant = self.apply(op, call, [value], {})
        self.replaced[id(value)] = value, constant
        return constant

    def overwritten(self, value: Any, call: BoundCall, make: Callable[[], Any]) -> Any:
        """Return what a call makes, which also stands in the place of a value, by all its names."""
        tensor, node = self.machine.tensor(value), call.node
        others = {name: seen for name, seen in self.others("").items() if seen is not value}
        is_refilled = not self.records and tensor.is_leaf and tensor.requires_grad
        operands = list(map(self.machine.tensor, tree.leaves([call.positional[1:], call.keywords])))
        try:
            if not is_refilled:
                self.machine.overwrites(value, call, others)
            if is_refilled:
                self._refill(value, self._in_place_numbers(tensor, call), node)
                return value
            made = make()
            if self.machine.tensor(made).shape != tensor.shape:
                raise ExecutionError(SHAPE, hint="write a new name: `y = ...`, with the call without `_`")
            refuse_clash(f"`{node.function}_`", node.function, tensor, operands)
        except GradcliError as error:
            raise self.located(error, node) from None
        if node.arguments and isinstance(node.arguments[0], Name):
            self.machine.named(made, node.arguments[0].name)
        self.replaced[id(value)] = value, made
        return made

    def _in_place_numbers(self, tensor: Tensor, call: BoundCall) -> Tensor:
        """Return the numbers of a leaf that is changed in place where no gradients are recorded."""
        function = getattr(tensor.detach().clone(), f"{call.node.function}_", None)
        if function is None:
            raise ExecutionError(f"a tensor has no `{call.node.function}_`")
        given = [self._plain_tensor(value) for value in call.positional[1:]]
        with refusals(f"`{call.node.function}_`"):
            found: Tensor = function(*given, **{n: self._plain_tensor(v) for n, v in call.keywords.items()})
        return found

    def in_place(self, statement: InPlace) -> Any:
        """Return `x += y` as a new value of x: PyTorch keeps the old one for nobody, or refuses."""
        target, call = statement.target, statement.value
        value, operand = self.evaluate(target), self.evaluate(call.arguments[1])
        if self.machine.tensor(value) is not None:
            try:
                self.machine.overwrites(value, BoundCall(call, [value, operand], {}, {}), self.others(target.name))
            except GradcliError as error:
                raise self.located(error, statement) from None
        self.variables[target.name] = result = self.call(call, [value, operand], {})
        self.machine.named(result, target.name)
        return result

    def set_item(self, statement: SetItem) -> Any:
        """Run `x[index] = value`: of a tensor as `index_put`, by all the names that it has."""
        target = statement.index.value
        owner, items = self.evaluate(target), tuple(self._item(item) for item in statement.index.items)
        value, operand = self._set_value(statement)
        tensor = self.machine.tensor(owner)
        if tensor is None:
            return self._set_entry(owner, items, value, statement)
        refuse_floats(items)
        try:
            if tensor.is_leaf and tensor.requires_grad and (statement.is_quiet or not self.records):
                found = tensor.detach().clone()
                with refusals(f"'{self.program.text(statement.index)}'"):
                    found[self._plain_index(items)] = self._plain_tensor(value)
                return self._refill(owner, found, statement)
            if not (tensor.is_leaf and tensor.requires_grad):  # which PyTorch refuses to write to at all
                self._refuse_clash(tensor, items, value, operand, statement)
            made = self._put(owner, tensor, items, value, statement)
            if made is not owner:  # there are no such places
                self.replaced[id(owner)] = owner, made
        except GradcliError as error:
            raise self.located(error, statement) from None
        return None

    def _set_value(self, statement: SetItem) -> tuple[Any, Any]:
        """Return what `x[i] = value` assigns; of `x[i] += y` also what y is."""
        node = statement.value
        is_augmented = isinstance(node, Call) and node.arguments[:1] and node.arguments[0].span == statement.index.span
        if not (is_augmented and isinstance(node, Call)):
            return self.evaluate(node), None
        part, operand = (self.evaluate(one) for one in node.arguments)
        if not self._reads_after_writing(node, operand):
            part = self._copied(part, node.arguments[0])
        return self.call(node, [part, operand], {}), operand

    def _reads_after_writing(self, node: Call, operand: Any) -> bool:
        """Tell whether backward of `x[i] **= y` reads what is in x by then, which PyTorch refuses.

        Its other calls in place keep a copy of what they write over. There is no `@=`: that is a product, which then
        is assigned.
        """
        return node.function == PRODUCT.function or (node.operator == "**" and self.machine.tensor(operand) is not None)

    def _copied(self, part: Any, node: Expression) -> Any:
        """Return a copy of a part of a tensor, which the program does not make itself."""
        if self.machine.tensor(part) is None:
            return part
        op = find("clone")
        assert op is not None  # noqa: S101 (the table has it)
        copy = self.apply(op, Call("clone", (node,), (), node.span, node.span), [part], {})
        self.machine.named(copy, f"{self.program.text(node)}.clone()")
        self.machine.hide([copy])
        return copy

    def _refuse_clash(
        self, tensor: Tensor, items: tuple[Any, ...], value: Any, operand: Any, statement: SetItem
    ) -> None:
        """Refuse an assignment, or a change in place, that reads what it writes to."""
        index, node = self._plain_index(items), statement.value
        with refusals(f"'{self.program.text(statement.index)}'"):
            part = tensor.detach()[index]
            if operand is None:
                places = torch.arange(tensor.numel()).reshape(tensor.shape)[index]
                refuse_assignment(tensor, places, self.machine.tensor(value))
            elif isinstance(node, Call):
                refuse_clash(f"`{node.operator}=`", node.function, part, [self.machine.tensor(operand)])

    def _put(self, owner: Any, tensor: Tensor, items: tuple[Any, ...], value: Any, statement: SetItem) -> Any:
        """Return a tensor with other values at some places."""
        node, name = statement.index, self.program.text(statement.index.value)
        call = Call("index_put", (node, node), (), statement.span, node.span)
        others = {other: seen for other, seen in self.others(name).items() if seen is not owner}
        self.machine.overwrites(owner, BoundCall(call, [owner], {}, {}), others)
        with refusals(f"'{self.program.text(node)}'"):
            places = torch.arange(tensor.numel()).reshape(tensor.shape)[self._plain_index(items)]
            indices = torch.unravel_index(places, tensor.shape)
        if not places.numel():
            return owner
        plain = Call("tensor", (), (), node.span, node.span)
        if self.machine.tensor(value) is None:
            value = handed_on(self, plain, torch.as_tensor(value).to(tensor.dtype))
        is_read = all(self.machine.tensor(item) is not None for item in items)
        where = items if is_read else tuple(handed_on(self, plain, index) for index in indices)
        op, parts = find("index_put"), tuple(Literal(None, statement.span) for _ in range(3))
        assert op is not None  # noqa: S101 (the table has it)
        made = self.apply(op, Call("index_put", parts, (), statement.span, node.span), [owner, where, value], {})
        self.name_value(made, name)
        return made

    def _plain_index(self, items: tuple[Any, ...]) -> Any:
        return tuple(self._plain_tensor(item) for item in items)

    def _set_entry(self, owner: Any, items: tuple[Any, ...], value: Any, statement: SetItem) -> Any:
        """Assign to an entry of a list or a dictionary."""
        key = items[0] if len(items) == 1 else items
        is_place = isinstance(owner, list) and isinstance(key, int) and -len(owner) <= key < len(owner)
        if not is_place and not (isinstance(owner, dict) and isinstance(key, int | str | tuple)):
            raise self.error(f"`{self.program.text(statement.index)}` cannot be assigned to", statement.index)
        owner[key] = value
        return value
