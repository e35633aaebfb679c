"""Evaluates the expressions of a program: every call, index and attribute that is an op is handed to a machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gradcli.errors import ExecutionError, GradcliError, NotSupportedError, Span
from gradcli.execution.forward import notebook, tree
from gradcli.execution.forward.conditions import Conditions
from gradcli.execution.forward.layers import make
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.python_sequences import is_operator
from gradcli.execution.forward.values import Handed, Taken, Value
from gradcli.language.calls import IN_PLACE, OPTIONS
from gradcli.language.constants import fold
from gradcli.language.modules import module_name
from gradcli.language.order import first_of
from gradcli.language.program import (
    Attribute,
    BooleanOperation,
    Builtin,
    Call,
    Class,
    Compare,
    Comprehension,
    Conditional,
    Dictionary,
    Ellipsis,
    Expression,
    Function,
    Gradient,
    Index,
    Leaf,
    Literal,
    Name,
    Sequence,
    Slice,
    Starred,
)
from gradcli.ops.overloads import choose
from gradcli.ops.record import Op
from gradcli.ops.signature import own_names
from gradcli.ops.table import find

NUMBERS = (int, float, complex)

# Attributes that are ops, and attributes that are plain data of a tensor.
VIEWS = {"T": "T", "mT": "mT", "H": "H", "mH": "mH", "real": "real", "imag": "imag"}


class Evaluator(Conditions):
    """Evaluates expressions over a dict of variables."""

    def evaluate(self, node: Expression) -> Any:
        """Return the value of an expression; a chain such as a + b + c … costs no recursion."""
        chain: list[Call | Attribute | Index] = []
        while (inner := first_of(node)) is not None:
            chain.append(node)  # type: ignore[arg-type]
            node = inner
        value = self._plain(node)
        for outer in reversed(chain):
            value = self._outer(outer, value)
        return value

    def _outer(self, node: Call | Attribute | Index, value: Any) -> Any:
        """Return the value of a node whose first child's value is known."""
        match node:
            case Call():
                return self._call(node, value)
            case Attribute():
                return self._attribute(node, value)
            case Index():
                return self._index(node, value)

    def _plain(self, node: Expression) -> Any:
        rule = _RULES.get(type(node))
        if rule is None:
            raise self.error(f"{type(node).__name__} is not supported here", node)
        return rule(self, node)

    def _list(self, node: Sequence) -> Any:
        items = self.items_of(node)
        return self.sized(node, items if node.is_list else tuple(items))

    def _dictionary(self, node: Dictionary) -> Any:
        keys = [self.evaluate(key) for key in node.keys]
        return dict(zip(keys, self.called_by(node, node.values, keys), strict=True))

    def _conditional(self, node: Conditional) -> Any:
        return self.evaluate(node.then if self.truth(node.test) else node.otherwise)

    def _name(self, node: Name) -> Any:
        if node.name not in self.variables:
            raise self.error(f"'{node.name}' is read before it is assigned", node)
        return self.current(self.variables[node.name])

    def _call(self, node: Call, first: Any) -> Any:
        positional = [first if place == 0 else self.evaluate(part) for place, part in enumerate(node.arguments)]
        if any(isinstance(part, Starred) for part in node.arguments):
            node, positional = self.spread(node, positional)
        keywords = {name: self.evaluate(value) for name, value in node.keywords}
        if OPTIONS in keywords:
            node, keywords = self.opened(node, keywords)
        return self.call(node, positional, keywords)

    def call(self, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return the result of a call on these values."""
        if not keywords and all(isinstance(value, NUMBERS) for value in positional):
            result = self._arithmetic(node, positional)
            if result is not None:
                return result
        callee = self.callee(node, positional)
        if callee is not None:
            if not node.method:
                return callee.called(self, node, positional, keywords)
            return callee.method(self, node, positional[1:], keywords)
        if IN_PLACE in keywords and positional and self.machine.tensor(positional[0]) is not None:
            return self._in_place(node, positional, keywords)
        return self._of_pytorch(node, positional, keywords)

    def _of_pytorch(self, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return the result of a call of what the program does not define itself."""
        taken = next((value for value in positional if isinstance(value, Taken)), None)
        if taken is not None and node.function != "append":
            return self._of_taken(taken, positional)
        if is_operator(node.operator, positional) and all(self.machine.tensor(value) is None for value in positional):
            return self.sequence(node, positional)
        found = notebook.called(self, node, positional, keywords)
        if found is not notebook.UNKNOWN:
            return found
        kind = module_name(node)
        if kind is not None:
            return make(self, kind, node, positional, keywords)
        op = find(node.function)
        if op is None or (node.function.startswith("_") and node.function in self.variables):
            raise self._not_callable(node)
        return self.apply(op, node, positional, keywords)

    def _in_place(self, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return the result of a call that may stand in the place of its first argument: `y.mul_(2)`."""
        kept = tuple(pair for pair in node.keywords if pair[0] != IN_PLACE)
        plain, given = replace(node, keywords=kept), {name: v for name, v in keywords.items() if name != IN_PLACE}
        if not keywords[IN_PLACE]:
            return self.call(plain, positional, given)
        call = BoundCall(plain, positional, given, {})
        return self.overwritten(positional[0], call, lambda: self.call(plain, positional, given))

    def _of_taken(self, taken: Taken, values: list[Any]) -> Taken:
        """Return what is computed of a number that was taken out of a tensor; refused beside a tensor."""
        if any(self.machine.tensor(value) is not None for value in values):
            raise taken.error
        return taken

    def _not_callable(self, node: Call) -> ExecutionError:
        if node.method and node.function != "__call__":
            text = self.program.text(node.arguments[0])
            hint = f"leave it out: `{text}` is a tensor, and each tensor is shown" if node.function == "numpy" else None
            return self.error(f"`{text}` has no method '{node.function}'", node, hint)
        called = self.program.source[node.function_span.start : node.function_span.end]
        return self.error(f"`{called}` is not a function", node, f"write a product as `{called}*(...)`")

    def apply(self, op: Op, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return the result of an op of the table, a constant inside `no_grad`."""
        known = {id(part): value for part, value in zip(node.arguments, positional, strict=True)}
        known |= {id(part): keywords[name] for name, part in node.keywords}
        try:
            chosen, bound = choose(op, node, lambda part: _value(part, known))
            result = self.machine.apply(chosen, BoundCall(node, positional, own_names(chosen, keywords), bound))
            return result if self.records or op.name == "detach" else tree.map(self._constant(node), result)
        except GradcliError as error:
            raise self.located(error, node) from None

    def _constant(self, node: Call) -> Callable[[Any], Any]:
        """Return what makes a constant of a result."""
        op = find("detach")
        assert op is not None  # noqa: S101 (the table has it)

        def constant(value: Any) -> Any:
            tensor = self.machine.tensor(value)
            if tensor is None or not (tensor.is_floating_point() or tensor.is_complex()):
                return value
            call = Call("detach", (node,), (), node.span, node.span)
            return self.machine.apply(op, BoundCall(call, [value], {}, {"input": value}))

        return constant

    def _arithmetic(self, node: Call, values: list[Any]) -> Any:
        """Return the value of an operator on numbers; None if it is none. Bounded: no loop grows an integer forever."""
        return self.computed(node, lambda: fold(node.function, values, self.machine.largest_exponent))

    def _attribute(self, node: Attribute, value: Any) -> Any:
        if isinstance(value, Value):
            return self.current(value.attribute(self, node.name, node))
        tensor = self.machine.tensor(value)
        if tensor is not None and node.name in {"shape", "ndim"}:
            return tuple(tensor.shape) if node.name == "shape" else tensor.ndim
        if tensor is not None and node.name in {"dtype", "device"}:
            return str(getattr(tensor, node.name))
        if tensor is not None and node.name in {"is_cuda", "is_leaf", "requires_grad"}:
            return bool(getattr(tensor, node.name))
        if tensor is not None and node.name == "data":
            return self._view("detach", node, value)
        if tensor is not None and node.name in VIEWS:
            return self._view(VIEWS[node.name], node, value)
        if isinstance(value, tuple) and node.name in tree.field_names(value):
            return getattr(value, node.name)
        raise self.error(f"'{self.program.text(node.value)}' has no attribute '{node.name}'", node)

    def _view(self, name: str, node: Attribute, value: Any) -> Any:
        op = find(name)
        if op is None:
            raise NotSupportedError(f"'.{node.name}' is not supported yet", span=node.span, source=self.program.source)
        place = Span(node.span.end - len(node.name), node.span.end)
        return self.apply(op, Call(name, (node.value,), (), node.span, place), [value], {})

    def _index(self, node: Index, value: Any) -> Any:
        items = tuple(self._item(item) for item in node.items)
        if self.machine.tensor(value) is None:
            return self.element(node, value, items)
        op = find("getitem")
        assert op is not None  # noqa: S101 (the table has it)
        literal = Literal(None, node.span)
        return self.apply(op, Call("getitem", (node.value, literal), (), node.span, node.span), [value, items], {})

    def _item(self, item: Expression | Slice | Ellipsis) -> Any:
        match item:
            case Ellipsis():
                return ...
            case Slice():
                parts = (item.start, item.stop, item.step)
                return slice(*[None if part is None else self.integer(part) for part in parts])
        return self.evaluate(item)

    def integer(self, node: Expression) -> int:
        """Return the value of an expression that must be an integer."""
        value = self.evaluate(node)
        if not isinstance(value, int):
            raise self.error(f"'{self.program.text(node)}' is not an integer", node)
        return value

    def _gradient(self, node: Gradient) -> tuple[Any, ...]:
        """Return a gradient that the program computes with; None for an input that is not used."""
        outputs, inputs, upstream = (
            _listed(None if part is None else self.evaluate(part))
            for part in (node.outputs, node.inputs, node.upstream)
        )
        inputs = [self.current(value) for value in inputs]
        for value in (*outputs, *inputs):
            if self.machine.tensor(value) is None:
                raise self.error("only tensors are differentiated", node)
        call = Call("grad", (), (), node.span, node.span)
        try:
            given = upstream or [None] * len(outputs)
            return self.machine.gradient(call, outputs, inputs, given, allow_unused=node.allow_unused)
        except GradcliError as error:
            raise self.located(error, node) from None


def _listed(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.values()]
    return [] if value is None else [*value] if isinstance(value, tuple | list) else [value]


def _value(part: Any, known: Mapping[int, Any]) -> Any:
    """Return the value of a bound argument; several for a variadic parameter, or the one tuple that it was given."""
    if isinstance(part, Sequence) and id(part) not in known:
        items = tuple(known[id(item)] for item in part.items)
        return items[0] if len(items) == 1 and isinstance(items[0], tuple | list) else items
    return known[id(part)]


_RULES: Mapping[type, Callable[[Evaluator, Any], Any]] = {
    Name: lambda self, node: self._name(node),
    Literal: lambda _, node: node.value,
    Sequence: lambda self, node: self._list(node),
    Dictionary: lambda self, node: self._dictionary(node),
    Compare: lambda self, node: self.compare(node),
    BooleanOperation: lambda self, node: self.boolean(node),
    Conditional: lambda self, node: self._conditional(node),
    Call: lambda self, node: self._call(node, None),
    Leaf: lambda self, node: self.leaf(node, self.program.text(node)),
    Function: lambda self, node: self.closure(node),
    Class: lambda self, node: self.maker(node),
    Builtin: lambda _, node: Handed(node.function),
    Starred: lambda self, node: self.evaluate(node.value),
    Gradient: lambda self, node: self._gradient(node),
    Comprehension: lambda self, node: self.sized(node, (dict if node.is_dictionary else list)(self.comprehended(node))),
}
