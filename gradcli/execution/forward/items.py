"""Lists, tuples and dictionaries of a running program, what loops run over, and the leaves that the program makes."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from gradcli.errors import GradcliError
from gradcli.execution.forward import tree
from gradcli.execution.forward.batches import Batches
from gradcli.execution.forward.layers import Container
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.modules import Module
from gradcli.execution.forward.python_sequences import OPERATORS, count_items, count_result
from gradcli.execution.forward.scopes import Scopes
from gradcli.language.calls import OPTIONS
from gradcli.language.program import (
    Call,
    Compare,
    Comprehension,
    Expression,
    Index,
    Leaf,
    Literal,
    Name,
    Pattern,
    Rest,
    Sequence,
    Starred,
    Statement,
)
from gradcli.ops.record import Op
from gradcli.ops.table import find


class Items(Scopes):
    """What a run does with them."""

    def truth(self, node: Expression) -> bool:
        """Return whether a condition holds."""
        raise NotImplementedError

    def call(self, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return the result of a call."""
        raise NotImplementedError

    def apply(self, op: Op, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return the result of an op of the table."""
        raise NotImplementedError

    def overwritten(self, value: Any, call: BoundCall, make: Callable[[], Any]) -> Any:
        """Return what a call makes, which also stands in the place of a value."""
        raise NotImplementedError

    def items_of(self, node: Sequence) -> list[Any]:
        """Return the items of a list or a tuple, those of `*items` in a row."""
        found = self.called_by(node, node.items, range(len(node.items)))
        if not any(isinstance(item, Starred) for item in node.items):
            return found
        parts = zip(node.items, found, strict=True)
        return [v for item, value in parts for v in (self.items(value, item) if isinstance(item, Starred) else [value])]

    def called_by(self, node: Expression, items: tuple[Expression, ...], keys: Iterable[Any]) -> list[Any]:
        """Return the items of a list or a dictionary; what they make is called by their places."""
        if self.naming is None or self.naming[0] is not node:
            return [self.evaluate(item) for item in items]
        name = self.naming[1]
        return [self.called_as(item, f"{name}[{key!r}]") for key, item in zip(keys, items, strict=True)]

    def called_as(self, node: Expression, name: str) -> Any:
        """Return the value of an expression; what it makes is called by a name."""
        if isinstance(node, Leaf):
            return self.leaf(node, name)
        before, self.naming = self.naming, (node, name)
        try:
            return self.evaluate(node)
        finally:
            self.naming = before

    def leaf(self, node: Leaf, name: str) -> Any:
        """Return a new leaf of a name, or the one that is given for it; what is a leaf already stays as it is."""
        value = self.evaluate(node.value)
        if isinstance(value, Module):
            value.switch("requires_grad_", [True])
            return value
        if not node.is_tree:
            return self._leaf_of(node, value, name)
        return tree.map_with_path(lambda path, part: self._leaf_of(node, part, name + tree.subscripts(path)), value)

    def _leaf_of(self, node: Leaf, value: Any, name: str) -> Any:
        tensor = self.machine.tensor(value)
        if tensor is None:
            raise self.error("only a tensor can require grad", node, "write `torch.tensor(2., requires_grad=True)`")
        if tensor.requires_grad or value is self.given.get(name):
            return value
        return self.new_leaf(value, name, node)

    def new_leaf(self, value: Any, name: str, node: Expression) -> Any:
        """Return a new leaf with the numbers of a tensor, or the one that is given for it."""
        self.made[name] = self.made.get(name, 0) + 1
        name = name if self.made[name] == 1 else f"{name} ({self.made[name]})"
        if name in self.given:
            return self.given[name]
        try:
            return self.machine.leaf(value, name)
        except GradcliError as error:
            raise self.located(error, node) from None

    def parameter(self, numbers: Any, name: str, node: Expression) -> Any:
        """Return a new leaf with these numbers, or the one that is given for it."""
        return self.new_leaf(self.machine.unmade(numbers), name, node)

    def comprehended(self, node: Comprehension) -> Iterator[Any]:
        """Yield the items that a comprehension makes."""
        outer, count = self.variables, 0
        items = self.items(self.evaluate(node.iterable), node.iterable)
        self.variables = ChainMap({}, outer)
        try:
            for item in items:
                self.count_round(node)
                self.unpacked(node.targets, item, node)
                if node.test is None or self.truth(node.test):
                    yield self._element_of(node, self.naming, count)
                    count += 1
        finally:
            self.variables = outer

    def _element_of(self, node: Comprehension, naming: tuple[Expression, str] | None, count: int) -> Any:
        if naming is None or naming[0] is not node:
            return self.evaluate(node.element)
        if isinstance(node.element, Sequence) and node.is_dictionary:
            key, value = node.element.items
            found = self.evaluate(key)
            return found, self.called_as(value, f"{naming[1]}[{found!r}]")
        return self.called_as(node.element, f"{naming[1]}[{count}]")

    def items(self, value: Any, node: Expression) -> list[Any]:
        """Return what a loop runs over: the items of a list, or the rows of a tensor."""
        tensor = self.machine.tensor(value)
        if isinstance(value, tuple | list | range):
            return [*value]
        if isinstance(value, Container):
            return [*(value.items if value.keys is None else value.keys)]
        if isinstance(value, Batches):
            return value.rows(self, node)
        if isinstance(value, dict):
            return [*value]
        if tensor is None or not tensor.ndim:
            hint = "loops run over `range(n)`, lists, and the rows of tensors"
            raise self.error(f"a loop cannot run over `{self.program.text(node)}`", node, hint)
        self.check_items(node, len(tensor))
        op, call = find("unbind"), Call("unbind", (node,), (), node.span, node.span)
        assert op is not None  # noqa: S101 (the table has it)
        return [*self.apply(op, call, [value], {})]

    def unpacked(self, pattern: Pattern, value: Any, node: Expression | Statement) -> None:
        """Assign a value to a name, or its items to several."""
        if isinstance(pattern, Name):
            self.variables[pattern.name] = value
            return
        assert isinstance(pattern, tuple)  # noqa: S101 (`*rest` alone is not unpacked)
        is_rows = (tensor := self.machine.tensor(value)) is not None and tensor.ndim
        values = self.items(value, node) if is_rows else value if isinstance(value, tuple | list) else None  # type: ignore[arg-type]
        if values is not None:
            values, pattern = self._gathered(pattern, list(values))
        if values is None or len(values) != len(pattern):
            found = "one value" if values is None else f"{len(values)} values"
            raise self.error(f"{found} cannot be unpacked into {len(pattern)} names", node)
        for part, item in zip(pattern, values, strict=True):
            self.unpacked(part, item, node)

    def _gathered(self, pattern: tuple[Pattern, ...], values: list[Any]) -> tuple[list[Any], tuple[Pattern, ...]]:
        """Return values and names with the values of `*rest` in one list, if there are enough."""
        place = next((place for place, part in enumerate(pattern) if isinstance(part, Rest)), None)
        if place is None or len(values) < len(pattern) - 1:
            return values, pattern
        end = len(values) - (len(pattern) - place - 1)
        rest = pattern[place]
        assert isinstance(rest, Rest)  # noqa: S101 (it was found there)
        return [*values[:place], values[place:end], *values[end:]], (*pattern[:place], rest.name, *pattern[place + 1 :])

    def spread(self, node: Call, positional: list[Any]) -> tuple[Call, list[Any]]:
        """Return a call with the items of `*items` as arguments of their own."""
        pairs = []
        for part, value in zip(node.arguments, positional, strict=True):
            is_one = not isinstance(part, Starred)
            items = [value] if is_one else self.items(value, part)
            pairs += [(part if is_one else Literal(None, part.span), item) for item in items]
        self.check_items(node, len(pairs))
        return replace(node, arguments=tuple(part for part, _ in pairs)), [value for _, value in pairs]

    def opened(self, node: Call, keywords: dict[str, Any]) -> tuple[Call, dict[str, Any]]:
        """Return a call with the entries of `**options` as arguments of their own."""
        options = keywords.pop(OPTIONS)
        if not isinstance(options, dict) or not all(isinstance(name, str) for name in options):
            raise self.error("what `**` opens is not a dictionary of arguments", node)
        pairs = [pair for pair in node.keywords if pair[0] != OPTIONS]
        pairs += [(name, Literal(None, node.span)) for name in options]
        return replace(node, keywords=tuple(pairs)), {**keywords, **options}

    def sized(self, node: Expression, value: Any) -> Any:
        """Return a list or a tuple, unless that is too long."""
        self.check_items(node, count_items(value))
        return value

    def check_items(self, node: Expression, count: int) -> None:
        """Refuse a list of so many items, those of lists in it included."""
        try:
            self.machine.check_items(count)
        except GradcliError as error:
            raise self.located(error, node) from None

    def element(self, node: Index, value: Any, items: tuple[Any, ...]) -> Any:
        """Return an item of a list, or an entry of a dictionary."""
        value = value.entries if isinstance(value, Container) else value
        if isinstance(value, dict):
            return self.entry(node, value, items)
        if not isinstance(value, tuple | list) or len(items) != 1 or not isinstance(items[0], int | slice):
            raise self.error(f"'{self.program.text(node.value)}' cannot be indexed in this way", node)
        try:
            return self.computed(node, lambda: value[items[0]])
        except IndexError:
            raise self.error(f"index {items[0]} is out of range: there are {len(value)}", node) from None

    def entry(self, node: Index, value: dict[Any, Any], items: tuple[Any, ...]) -> Any:
        """Return an entry of a dictionary."""
        key = items[0] if len(items) == 1 else items
        if not isinstance(key, str | int | tuple) or key not in value:
            raise self.error(f"there is no entry {key!r}", node, f"there are {', '.join(map(repr, value))}")
        return value[key]

    def contained(self, node: Compare, left: Any, right: Any) -> bool:
        """Return whether a list, a text or a dictionary holds a value."""
        if not isinstance(right, tuple | list | str | dict) or self.machine.tensor(left) is not None:
            hint = "`in` looks into lists and texts"
            raise self.error(f"`{node.operator}` is not accepted of tensors", node, hint)
        return bool(self.computed(node, lambda: left in right))

    def sequence(self, node: Call, operands: list[Any]) -> Any:
        """Return what Python's operator makes of a list, a tuple or a text, unless that is too long."""
        sign = node.operator or ""
        count = count_result(sign, operands)
        if count is not None:
            self.check_items(node, count)
        return self.computed(node, lambda: OPERATORS[sign](*operands))

    def computed(self, node: Expression, compute: Callable[[], Any]) -> Any:
        """Return what Python computes of numbers and sequences; what it refuses is an error at the node."""
        try:
            return compute()
        except (ArithmeticError, ValueError, TypeError) as error:
            raise self.error(f"{self.program.text(node)}: {error}", node) from None
