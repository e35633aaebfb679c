"""A formula of the op table on nodes of a circuit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gradcli.execution.proof.circuit import Circuit, Pair, UnprovableError
from gradcli.execution.proof.complexes import Complexes
from gradcli.language.operator_table import ARITHMETIC, COMPARISONS, NEGATION
from gradcli.language.parser import parse_formula
from gradcli.language.program import (
    BooleanOperation,
    Call,
    Compare,
    Conditional,
    Expression,
    Index,
    Literal,
    Name,
)
from gradcli.ops.functions import FUNCTIONS
from gradcli.ops.record import Kind
from gradcli.ops.signature import bind, defaults
from gradcli.ops.table import find

PRIMITIVES = frozenset({row.function for row in (*ARITHMETIC, NEGATION)}) | {f.name for f in FUNCTIONS if f.primitive}
RELATIONS = {row.sign: row for row in COMPARISONS}
COMPLEX = frozenset({"real", "imag", "conj"})


class Node(int):
    """The number of a node, told from a number."""


Reading = Callable[[str, Sequence[Any]], Any]


class Formula:
    """Evaluates formulas: `names` gives what a parameter stands for, `entry` what `name[i, j]` does."""

    def __init__(self, circuit: Circuit, names: Mapping[str, Any], entry: Reading | None = None) -> None:
        self.circuit = circuit
        self.names = names
        self.entry = entry
        self.complexes = Complexes(circuit, self._real)

    def node(self, value: Any) -> Any:
        """Return a value as a node; a complex one as a pair of nodes."""
        if isinstance(value, Node | Pair):
            return value
        if isinstance(value, complex):
            return Pair(self.circuit.number(value.real), self.circuit.number(value.imag))
        if isinstance(value, bool | int | float):
            return Node(self.circuit.number(value))
        msg = f"{type(value).__name__} is not a number"
        raise UnprovableError(msg)

    def evaluate(self, expression: Expression) -> Any:
        """Return a node, or Python's own value: None, text, a number, a truth value."""
        match expression:
            case Literal(symbol="pi"):
                return Node(self.circuit.node("pi"))
            case Literal():
                return expression.value
            case Name():
                return self.names[expression.name]
            case Index(value=Name(name=name)):
                assert self.entry is not None  # noqa: S101 (only indexed definitions have subscripts)
                return self.entry(name, expression.items)
            case Call():
                return self._call(expression)
            case Compare():
                return self._compare(expression)
            case BooleanOperation():
                return self._boolean(expression)
            case Conditional():
                return self._conditional(expression)
        msg = f"a formula holds {type(expression).__name__}"
        raise UnprovableError(msg)

    def _conditional(self, expression: Conditional) -> Any:
        test = self.evaluate(expression.test)
        if isinstance(test, Node):
            msg = "a definition decides by a value"
            raise UnprovableError(msg)
        return self.evaluate(expression.then if test else expression.otherwise)

    def _call(self, call: Call) -> Any:
        values = [self.evaluate(argument) for argument in call.arguments]
        if call.function == "where" and not isinstance(values[0], Node):
            return values[1] if values[0] else values[2]
        if call.function == "where" or call.function in PRIMITIVES:
            return self._primitive(call.function, [self.node(value) for value in values])
        op = find(call.function)
        if op is not None and any(isinstance(value, Pair | complex) for value in values):
            op = op.of_complex_numbers()
        if op is None or op.kind is not Kind.POINTWISE:
            msg = f"a formula calls {call.function}"
            raise UnprovableError(msg)
        bound = {name: self.evaluate(value) for name, value in bind(op, call).items()}
        return Formula(self.circuit, {**defaults(op.signature), **bound}).evaluate(parse_formula(op.definition))

    def _primitive(self, name: str, nodes: list[Any]) -> Any:
        """Return a function of nodes; a factor, a divisor and an exponent of 1 change nothing."""
        if name in COMPLEX or any(isinstance(node, Pair) for node in nodes):
            found = self.complexes.apply(name, nodes)
            return found if isinstance(found, Pair) else Node(found)
        return self._real(name, *nodes)

    def _real(self, name: str, *nodes: Node) -> Node:
        """Return a function of real numbers."""
        if name == "delta":
            return self._delta(*nodes)
        one = self.circuit.number(1)
        if name == "sum" and len(nodes) == 1:
            return nodes[0]
        if name == "mul" and one in nodes:
            return nodes[1 - nodes.index(Node(one))]
        if name in {"div", "pow"} and nodes[1] == one:
            return nodes[0]
        return Node(self.circuit.node(name, *nodes))

    def _delta(self, one: Node, other: Node) -> Node:
        """Return 1 where two indices are the same, else 0; what is known of numbers is computed."""
        numbers = [Node(self.circuit.number(value)) for value in (1, 0)]
        if {self.circuit.nodes[node][0] for node in (one, other)} == {"number"}:
            return numbers[one != other]
        return Node(self.circuit.node("where", self.circuit.node("eq", one, other), *numbers))

    def _compare(self, expression: Compare) -> Any:
        left, right = self.evaluate(expression.left), self.evaluate(expression.right)
        if expression.operator in {"is", "is not"}:
            return (left is right) == (expression.operator == "is")
        row = RELATIONS[expression.operator]
        if isinstance(left, Node | Pair) or isinstance(right, Node | Pair):
            return self._primitive(row.function, [self.node(left), self.node(right)])
        return row.compute(left, right)

    def _boolean(self, expression: BooleanOperation) -> Any:
        values = [self.evaluate(operand) for operand in expression.operands]
        nodes = [self.node(value) for value in values]
        if not any(isinstance(value, Node) for value in values):
            return {"not": lambda: not values[0], "and": lambda: all(values), "or": lambda: any(values)}[
                expression.operator
            ]()
        return Node(self.circuit.node(f"logical_{expression.operator}", *nodes))
