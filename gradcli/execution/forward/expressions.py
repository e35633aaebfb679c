"""Evaluates the expressions of a program: every call, index and attribute that is an op is handed to a machine."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from gradcli.errors import ExecutionError, GradcliError, NotSupportedError, Span
from gradcli.execution.forward import notebook, tree
from gradcli.execution.forward.layers import Container, make
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.python_sequences import OPERATORS, count_items, count_result, is_operator
from gradcli.execution.forward.scopes import Scopes
from gradcli.execution.forward.values import Handed, Module, Taken, Value
from gradcli.language.constants import fold
from gradcli.language.modules import module_name
from gradcli.language.operator_table import COMPARISON_OF
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
    Index,
    Leaf,
    Literal,
    Name,
    Pattern,
    Sequence,
    Slice,
    Starred,
    Statement,
)
from gradcli.ops.overloads import choose
from gradcli.ops.record import Op
from gradcli.ops.table import find

NUMBERS = int | float | complex

# Attributes that are ops, and attributes that are plain data of a tensor.
VIEWS = {"T": "T", "mT": "mT", "H": "H", "mH": "mH", "real": "real", "imag": "imag"}


class Evaluator(Scopes):
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
        match node:
            case Name():
                return self._name(node)
            case Literal():
                return node.value
            case Sequence():
                items = self._items_of(node)
                return self._sized(node, items if node.is_list else tuple(items))
            case Compare():
                return self._compare(node)
            case BooleanOperation():
                return self._boolean(node)
            case Conditional():
                return self.evaluate(node.then if self.truth(node.test) else node.otherwise)
            case Call():
                return self._call(node, None)
            case Leaf():
                return self.leaf(node, self.program.text(node))
            case Dictionary():
                keys = [self.evaluate(key) for key in node.keys]
                return dict(zip(keys, self._called_by(node, node.values, keys), strict=True))
            case Function():
                return self.closure(node)
            case Class():
                return self.maker(node)
            case Builtin():
                return Handed(node.function)
            case Starred():
                return self.evaluate(node.value)
            case Comprehension():
                return self._sized(node, list(self._comprehended(node)))
        raise self.error(f"{type(node).__name__} is not supported here", node)

    def _name(self, node: Name) -> Any:
        if node.name not in self.variables:
            raise self.error(f"'{node.name}' is read before it is assigned", node)
        return self.current(self.variables[node.name])

    def _items_of(self, node: Sequence) -> list[Any]:
        found = self._called_by(node, node.items, range(len(node.items)))
        if not any(isinstance(item, Starred) for item in node.items):
            return found
        parts = zip(node.items, found, strict=True)
        return [v for item, value in parts for v in (self.items(value, item) if isinstance(item, Starred) else [value])]

    def _called_by(self, node: Expression, items: tuple[Expression, ...], keys: Iterable[Any]) -> list[Any]:
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
        tensor = self.machine.tensor(value)
        if tensor is None:
            raise self.error("only a tensor can require grad", node, "write `torch.tensor(2., requires_grad=True)`")
        if tensor.requires_grad or value is self.given.get(name):
            return value
        return self.new_leaf(value, name, node)

    def new_leaf(self, value: Any, name: str, node: Expression) -> Any:
        """Return a new leaf with the numbers of a tensor, or the one that is given for it."""
        self.made[name] += 1
        name = name if self.made[name] == 1 else f"{name} ({self.made[name]})"
        if name in self.given:
            return self.given[name]
        try:
            return self.machine.leaf(value, name)
        except GradcliError as error:
            raise self.located(error, node) from None

    def parameter(self, numbers: Any, name: str, node: Expression) -> Any:
        """Return a new leaf with these numbers, or the one that is given for it."""
        if self.made[name] == 0 and name in self.given:
            return self.new_leaf(None, name, node)
        call = Call("tensor", (), (), node.span, node.span)
        return self.new_leaf(notebook.handed_on(self, call, numbers), name, node)

    def _comprehended(self, node: Comprehension) -> Iterator[Any]:
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
        return self.called_as(node.element, f"{naming[1]}[{count}]")

    def items(self, value: Any, node: Expression) -> list[Any]:
        """Return what a loop runs over: the items of a list, or the rows of a tensor."""
        tensor = self.machine.tensor(value)
        if isinstance(value, tuple | list | range):
            return [*value]
        if isinstance(value, Container):
            return [*value.items]
        if isinstance(value, dict):
            return [*value]
        if tensor is None or not tensor.ndim:
            hint = "loops run over `range(n)`, lists, and the rows of tensors"
            raise self.error(f"a loop cannot run over `{self.program.text(node)}`", node, hint)
        self._check_items(node, len(tensor))
        op, call = find("unbind"), Call("unbind", (node,), (), node.span, node.span)
        assert op is not None  # noqa: S101 (the table has it)
        return [*self.apply(op, call, [value], {})]

    def unpacked(self, pattern: Pattern, value: Any, node: Expression | Statement) -> None:
        """Assign a value to a name, or its items to several."""
        if isinstance(pattern, Name):
            self.variables[pattern.name] = value
            return
        is_rows = (tensor := self.machine.tensor(value)) is not None and tensor.ndim
        values = self.items(value, node) if is_rows else value if isinstance(value, tuple | list) else None  # type: ignore[arg-type]
        if values is None or len(values) != len(pattern):
            found = "one value" if values is None else f"{len(values)} values"
            raise self.error(f"{found} cannot be unpacked into {len(pattern)} names", node)
        for part, item in zip(pattern, values, strict=True):
            self.unpacked(part, item, node)

    def _call(self, node: Call, first: Any) -> Any:
        positional = [first if place == 0 else self.evaluate(part) for place, part in enumerate(node.arguments)]
        if any(isinstance(part, Starred) for part in node.arguments):
            node, positional = self._spread(node, positional)
        return self.call(node, positional, {name: self.evaluate(value) for name, value in node.keywords})

    def _spread(self, node: Call, positional: list[Any]) -> tuple[Call, list[Any]]:
        """Return a call with the items of `*items` as arguments of their own."""
        pairs = []
        for part, value in zip(node.arguments, positional, strict=True):
            is_one = not isinstance(part, Starred)
            items = [value] if is_one else self.items(value, part)
            pairs += [(part if is_one else Literal(None, part.span), item) for item in items]
        self._check_items(node, len(pairs))
        return replace(node, arguments=tuple(part for part, _ in pairs)), [value for _, value in pairs]

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
        taken = next((value for value in positional if isinstance(value, Taken)), None)
        if taken is not None and node.function != "append":
            return self._of_taken(taken, positional)
        has_tensor = any(self.machine.tensor(value) is not None for value in positional)
        if is_operator(node.operator, positional) and not has_tensor:
            return self._sequence(node, positional)
        found = notebook.called(self, node, positional, keywords)
        if found is not notebook.UNKNOWN:
            return found
        kind = module_name(node)
        if kind is not None:
            return make(self, kind, node, positional, keywords)
        op = find(node.function)
        if op is None:
            raise self._not_callable(node)
        return self.apply(op, node, positional, keywords)

    def _of_taken(self, taken: Taken, values: list[Any]) -> Taken:
        """Return what is computed of a number that was taken out of a tensor; refused beside a tensor."""
        if any(self.machine.tensor(value) is not None for value in values):
            raise taken.error
        return taken

    def taken(self, number: Any, error: ExecutionError) -> Taken:
        """Return a number out of a tensor that requires grad."""
        return Taken(number, error)

    def _not_callable(self, node: Call) -> ExecutionError:
        if node.method and node.function != "__call__":
            return self.error(f"`{self.program.text(node.arguments[0])}` has no method '{node.function}'", node)
        called = self.program.source[node.function_span.start : node.function_span.end]
        return self.error(f"`{called}` is not a function", node, f"write a product as `{called}*(...)`")

    def _sequence(self, node: Call, operands: list[Any]) -> Any:
        """Return what Python's operator makes of a list, a tuple or a text, unless that is too long."""
        sign = node.operator or ""
        count = count_result(sign, operands)
        if count is not None:
            self._check_items(node, count)
        return self._computed(node, lambda: OPERATORS[sign](*operands))

    def _sized(self, node: Expression, value: Any) -> Any:
        self._check_items(node, count_items(value))
        return value

    def _check_items(self, node: Expression, count: int) -> None:
        """Refuse a list of so many items, those of lists in it included."""
        try:
            self.machine.check_items(count)
        except GradcliError as error:
            raise self.located(error, node) from None

    def apply(self, op: Op, node: Call, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Return the result of an op of the table, a constant inside `no_grad`."""
        known = {id(part): value for part, value in zip(node.arguments, positional, strict=True)}
        known |= {id(part): keywords[name] for name, part in node.keywords}
        try:
            chosen, bound = choose(op, node, lambda part: _value(part, known))
            result = self.machine.apply(chosen, BoundCall(node, positional, keywords, bound))
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
        return self._computed(node, lambda: fold(node.function, values, self.machine.largest_exponent))

    def _computed(self, node: Expression, compute: Callable[[], Any]) -> Any:
        """Return what Python computes of numbers and sequences; what it refuses is an error at the node."""
        try:
            return compute()
        except (ArithmeticError, ValueError, TypeError) as error:
            raise self.error(f"{self.program.text(node)}: {error}", node) from None

    def _attribute(self, node: Attribute, value: Any) -> Any:
        if isinstance(value, Value):
            return self.current(value.attribute(self, node.name, node))
        tensor = self.machine.tensor(value)
        if tensor is not None and node.name in {"shape", "ndim"}:
            return tuple(tensor.shape) if node.name == "shape" else tensor.ndim
        if tensor is not None and node.name in {"dtype", "device"}:
            return str(getattr(tensor, node.name))
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
            return self._element(node, value, items)
        op = find("getitem")
        assert op is not None  # noqa: S101 (the table has it)
        literal = Literal(None, node.span)
        return self.apply(op, Call("getitem", (node.value, literal), (), node.span, node.span), [value, items], {})

    def _element(self, node: Index, value: Any, items: tuple[Any, ...]) -> Any:
        value = value.items if isinstance(value, Container) else value
        if isinstance(value, dict):
            return self._entry(node, value, items)
        if not isinstance(value, tuple | list) or len(items) != 1 or not isinstance(items[0], int | slice):
            raise self.error(f"'{self.program.text(node.value)}' cannot be indexed in this way", node)
        try:
            return self._computed(node, lambda: value[items[0]])
        except IndexError:
            raise self.error(f"index {items[0]} is out of range: there are {len(value)}", node) from None

    def _entry(self, node: Index, value: dict[Any, Any], items: tuple[Any, ...]) -> Any:
        key = items[0] if len(items) == 1 else items
        if not isinstance(key, str | int | tuple) or key not in value:
            raise self.error(f"there is no entry {key!r}", node, f"there are {', '.join(map(repr, value))}")
        return value[key]

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

    def _compare(self, node: Compare) -> Any:
        left, right = (
            value.number if isinstance(value, Taken) else value
            for value in (self.evaluate(node.left), self.evaluate(node.right))
        )
        if node.operator in {"is", "is not"}:
            return (left is right) == (node.operator == "is")
        if node.operator in {"in", "not in"}:
            return self._contained(node, left, right) == (node.operator == "in")
        comparison = COMPARISON_OF[node.operator]
        if self.machine.tensor(left) is None and self.machine.tensor(right) is None:
            return self._computed(node, lambda: comparison.compute(left, right))
        op = find(comparison.function)
        assert op is not None  # noqa: S101 (the table has it)
        call = Call(op.name, (node.left, node.right), (), node.span, node.span, operator=node.operator)
        return self.apply(op, call, [left, right], {})

    def _contained(self, node: Compare, left: Any, right: Any) -> bool:
        if not isinstance(right, tuple | list | str | dict) or self.machine.tensor(left) is not None:
            hint = "`in` looks into lists and texts"
            raise self.error(f"`{node.operator}` is not accepted of tensors", node, hint)
        return bool(self._computed(node, lambda: left in right))

    def _boolean(self, node: BooleanOperation) -> bool:
        if node.operator == "not":
            return not self.truth(node.operands[0])
        test = all if node.operator == "and" else any
        return test(self.truth(operand) for operand in node.operands)

    def truth(self, node: Expression) -> bool:
        """Return whether a condition holds; a tensor must hold one element."""
        value = self.evaluate(node)
        tensor = self.machine.tensor(value)
        if tensor is None:
            return bool(value.number if isinstance(value, Taken) else value)
        if tensor.numel() != 1:
            shape = "x".join(str(size) for size in tensor.shape)
            hint = "reduce it first, with all(), any(), sum() or norm()"
            raise self.error(f"a condition must hold one element, and this tensor has shape {shape}", node, hint)
        return bool(tensor.item())


def _value(part: Any, known: Mapping[int, Any]) -> Any:
    """Return the value of a bound argument; several for a variadic parameter, or the one tuple that it was given."""
    if isinstance(part, Sequence) and id(part) not in known:
        items = tuple(known[id(item)] for item in part.items)
        return items[0] if len(items) == 1 and isinstance(items[0], tuple | list) else items
    return known[id(part)]
