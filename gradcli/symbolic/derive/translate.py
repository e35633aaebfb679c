"""A formula of the op table, parsed to program nodes, as a sympy expression."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from typing import Any

import sympy
from sympy import Piecewise, Rational

from gradcli.errors import NotSupportedError
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
from gradcli.ops import functions
from gradcli.ops.functions import Function
from gradcli.ops.record import Kind
from gradcli.ops.signature import bind, parse_signature
from gradcli.ops.table import find
from gradcli.symbolic.derive.complex_parts import equal


def _sympy_function(function: Function) -> Callable[..., Any]:
    known: Callable[..., Any] = getattr(sympy, function.sympy)
    return known if function.order is None else partial(known, function.order)


# What sympy itself knows how to differentiate: the formulas of all other pointwise ops end in these.
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **{row.function: row.compute for row in (*ARITHMETIC, NEGATION)},
    **{row.name: _sympy_function(row) for row in functions.FUNCTIONS if row.primitive},
}
RELATIONS: Mapping[str, Callable[..., Any]] = {
    row.sign: _sympy_function(functions.FUNCTION_OF[row.function]) for row in COMPARISONS
}

LARGEST_DENOMINATOR = 100_000


def number(value: complex | str | None) -> Any:
    """Return a parameter's value for sympy: pi, a simple fraction, or what the decimal text says; text as it is."""
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int):
        return sympy.Integer(value)
    if isinstance(value, complex):
        return number(value.real) + sympy.I * number(value.imag)
    if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 (NaN is the one value unlike itself)
        return sympy.Float(value)
    if value == math.pi:
        return sympy.pi
    # 0.3333333333333333 means a third: the fraction that it is the nearest double to.
    fraction = Fraction(value).limit_denominator(LARGEST_DENOMINATOR)
    return Rational(fraction) if float(fraction) == value else Rational(repr(value))


class Translator:
    """Translate formula nodes to sympy: `names` gives the parameters, `entry` what `name[i, j]` stands for."""

    def __init__(self, names: Mapping[str, Any], entry: Callable[[str, list[Any]], Any] | None = None) -> None:
        self.names = names
        self.entry = entry

    def translate(self, node: Expression) -> Any:
        """Return the sympy expression of a node; Python values (None, strings, booleans) stay what they are."""
        match node:
            case Literal(symbol="pi"):
                return sympy.pi
            case Literal():
                return number(node.value)
            case Name():
                return self.names[node.name]
            case Index(value=Name(name=name)):
                assert self.entry is not None  # noqa: S101 (only indexed definitions have subscripts)
                return self.entry(
                    name, [item if not isinstance(item, Expression_) else self.translate(item) for item in node.items]
                )
            case Call():
                return self._call(node)
            case Compare():
                return self._compare(node)
            case BooleanOperation():
                return self._boolean(node)
            case Conditional():
                return self.translate(node.then if self.translate(node.test) else node.otherwise)
        msg = f"a formula cannot hold {type(node).__name__}"
        raise NotSupportedError(msg)

    def _call(self, node: Call) -> Any:
        arguments = [self.translate(argument) for argument in node.arguments]
        if node.function == "where":
            test, then, otherwise = arguments
            return Piecewise((_arithmetic(then), _condition(test)), (_arithmetic(otherwise), True))
        if node.function in FUNCTIONS:
            return FUNCTIONS[node.function](*[_arithmetic(argument) for argument in arguments])
        return self._inline(node)

    def _inline(self, node: Call) -> Any:
        op = find(node.function)
        if op is None or op.kind is not Kind.POINTWISE:
            msg = f"a formula cannot call {node.function}"
            raise NotSupportedError(msg)
        bound = {name: self.translate(value) for name, value in bind(op, node).items()}
        return pointwise(op.definition, defaults(op.signature) | bound)

    def _compare(self, node: Compare) -> Any:
        left, right = self.translate(node.left), self.translate(node.right)
        if node.operator in {"is", "is not"}:
            return (left is right) == (node.operator == "is")
        if any(isinstance(side, sympy.Basic) and side.has(sympy.I) for side in (left, right)):
            return _compare_complex(node.operator, left, right)
        if isinstance(left, sympy.Basic) or isinstance(right, sympy.Basic):
            return RELATIONS[node.operator](
                *(sympy.Integer(side) if isinstance(side, bool) else side for side in (left, right))
            )
        return (left == right) == (node.operator == "==")

    def _boolean(self, node: BooleanOperation) -> Any:
        values = [self.translate(operand) for operand in node.operands]
        if node.operator == "not":
            return sympy.Not(values[0]) if isinstance(values[0], sympy.Basic) else not values[0]
        return (sympy.And if node.operator == "and" else sympy.Or)(*values)


Expression_ = Name | Literal | Call | Index | Compare | Conditional


def _compare_complex(operator: str, left: Any, right: Any) -> Any:
    """Return a comparison of complex numbers, which are equal or not, and have no order."""
    if operator not in {"==", "!="}:
        msg = "the definition compares values, and complex numbers have no order"
        raise NotSupportedError(msg)
    same = equal(left, right)
    return same if operator == "==" else sympy.Not(same)


def _condition(value: Any) -> Any:
    """Return a tensor operand of truth values as a condition."""
    return (
        value
        if isinstance(value, sympy.logic.boolalg.Boolean) and not isinstance(value, sympy.Symbol)
        else sympy.Ne(value, 0)
    )


def _arithmetic(value: Any) -> Any:
    """Return a truth value as 1 or 0 (Iverson's bracket), anything else as it is."""
    if isinstance(value, bool):
        return sympy.Integer(value)
    if isinstance(value, sympy.logic.boolalg.Boolean) and not isinstance(value, sympy.Expr):
        return Piecewise((sympy.Integer(1), value), (sympy.Integer(0), True))
    return value


def defaults(signature: str) -> dict[str, Any]:
    """Return the values of a signature's optional parameters, for sympy."""
    return {
        parameter.name: number(parameter.default)
        for parameter in parse_signature(signature)
        if not parameter.required and not isinstance(parameter.default, tuple)
    }


def pointwise(definition: str, names: Mapping[str, Any]) -> Any:
    """Return a pointwise op's formula with its parameters replaced by sympy expressions."""
    return _arithmetic(Translator(names).translate(parse_formula(definition)))
