"""The power series at 0 of expressions in one value: exact fractions, of so many terms, from some power on.

What has no such series, or none with fractions, as sqrt(x) and erf(x), has none here.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from gradcli.derivation.notation.parsed import callee
from gradcli.python_trees import expression_tree

TERMS = 26
MOST = 12  # the largest power that is multiplied out


@dataclass(frozen=True, slots=True)
class Series:
    """The sum of coefficients times powers, the first of which is `first`; it may be negative."""

    first: int
    coefficients: tuple[Fraction, ...]

    def at(self, power: int) -> Fraction:
        """Return the coefficient of a power."""
        place = power - self.first
        return self.coefficients[place] if 0 <= place < len(self.coefficients) else Fraction(0)

    def known(self) -> int:
        """Return the first power whose coefficient is not known."""
        return self.first + len(self.coefficients)


def number(value: Fraction) -> Series:
    """Return the series of a number."""
    return _trimmed(0, [value, *[Fraction(0)] * (TERMS - 1)])


def _trimmed(first: int, coefficients: list[Fraction]) -> Series:
    """Return a series without the zeros that it begins with; nothing is left of 0."""
    skipped = next((place for place, one in enumerate(coefficients) if one), len(coefficients))
    return Series(first + skipped, tuple(coefficients[skipped:]))


def _added(one: Series, other: Series, sign: int = 1) -> Series:
    if not one.coefficients or not other.coefficients:
        return one if not other.coefficients else Series(other.first, tuple(sign * own for own in other.coefficients))
    first, end = min(one.first, other.first), min(one.known(), other.known())
    return _trimmed(first, [one.at(power) + sign * other.at(power) for power in range(first, end)])


def _times(one: Series, other: Series) -> Series:
    count = min(len(one.coefficients), len(other.coefficients))
    pairs = [
        sum((one.coefficients[k] * other.coefficients[n - k] for k in range(n + 1)), Fraction(0)) for n in range(count)
    ]
    return _trimmed(one.first + other.first, pairs)


def _inverse(one: Series) -> Series:
    lead, found = one.coefficients[0], [1 / one.coefficients[0]]
    for n in range(1, len(one.coefficients)):
        found.append(-sum((one.coefficients[k] * found[n - k] for k in range(1, n + 1)), Fraction(0)) / lead)
    return Series(-one.first, tuple(found))


def series_of(node: ast.expr, name: str) -> Series | None:
    """Return the series of an expression in a value that has a name; None if it has none here."""
    return _series(ast.unparse(node), name)


@lru_cache(maxsize=512)
def _series(text: str, name: str) -> Series | None:
    """Return the same of a text: parts are asked for again and again."""
    match node := expression_tree(text):
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool) and math.isfinite(value):
            return number(Fraction(str(value)))
        case ast.Name(id=own):
            return Series(1, (Fraction(1), *[Fraction(0)] * (TERMS - 1))) if own == name else None
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            found = series_of(inner, name)
            return None if found is None else _times(found, number(Fraction(-1)))
        case ast.BinOp():
            return _operation(node, name)
        case ast.Call(args=[inner], keywords=[]) as called if callee(called) in AT_ZERO:
            found = series_of(inner, name)
            return None if found is None else _composed(callee(called) or "", found)
    return None


def _operation(node: ast.BinOp, name: str) -> Series | None:
    left, right = series_of(node.left, name), series_of(node.right, name)
    if left is None or right is None:
        return None
    match node.op, node.right:
        case ast.Add() | ast.Sub() as sign, _:
            return _added(left, right, 1 if isinstance(sign, ast.Add) else -1)
        case ast.Mult(), _:
            return _times(left, right)
        case ast.Div(), _:
            return _times(left, _inverse(right)) if right.coefficients else None
        case ast.Pow(), ast.Constant(value=int(count)) if 0 < count <= MOST:
            whole = left
            for _ in range(count - 1):
                whole = _times(whole, left)
            return whole
    return None


def _composed(function: str, inner: Series) -> Series | None:
    """Return the series of a function of what is 0 at 0, or of what is 1 there for a root and a logarithm."""
    if function in OF_ONE:
        function, inner = OF_ONE[function], _added(inner, number(Fraction(1)), -1)
    if inner.first < 1:
        return None
    coefficient, whole = AT_ZERO[function], number(Fraction(0))
    if inner.coefficients and not any(inner.coefficients[1:]):
        return _of_multiple(coefficient, inner)
    for power in reversed(range(TERMS)):
        whole = (
            _added(_times(whole, inner), number(coefficient(power)))
            if whole.coefficients
            else number(coefficient(power))
        )
    return whole


def _of_multiple(coefficient: Callable[[int], Fraction], inner: Series) -> Series:
    """Return the series of a function of a number times a power, which need not be multiplied out."""
    found = [Fraction(0)] * TERMS
    for power in range((TERMS - 1) // inner.first + 1):
        found[power * inner.first] = coefficient(power) * inner.coefficients[0] ** power
    return _trimmed(0, found)


def _factorial(power: int) -> Fraction:
    return Fraction(1, math.factorial(power))


def _alternating(power: int, parity: int) -> Fraction:
    return _factorial(power) * (-1) ** (power // 2) if power % 2 == parity else Fraction(0)


def _bernoulli(count: int) -> list[Fraction]:
    found = [Fraction(1)]
    for n in range(1, count):
        found.append(-sum((math.comb(n + 1, k) * found[k] for k in range(n)), Fraction(0)) / (n + 1))
    return found


BERNOULLI = _bernoulli(TERMS + 2)


def _tangent(power: int) -> Fraction:
    """Return the coefficient of tanh, by Bernoulli's numbers."""
    if power % 2 == 0:
        return Fraction(0)
    return Fraction(2 ** (power + 1) * (2 ** (power + 1) - 1)) * BERNOULLI[power + 1] / math.factorial(power + 1)


def _root(power: int) -> Fraction:
    """Return the coefficient of sqrt(1 + u)."""
    found = Fraction(1)
    for k in range(power):
        found *= (Fraction(1, 2) - k) / (k + 1)
    return found


AT_ZERO: Mapping[str, Callable[[int], Fraction]] = {
    "exp": _factorial,
    "expm1": lambda power: _factorial(power) if power else Fraction(0),
    "log1p": lambda power: Fraction((-1) ** (power + 1), power) if power else Fraction(0),
    "sin": lambda power: _alternating(power, 1),
    "cos": lambda power: _alternating(power, 0),
    "sinh": lambda power: _factorial(power) if power % 2 else Fraction(0),
    "cosh": lambda power: Fraction(0) if power % 2 else _factorial(power),
    "tanh": _tangent,
    "tan": lambda power: _tangent(power) * (-1) ** (power // 2),
    "atan": lambda power: Fraction((-1) ** (power // 2), power) if power % 2 else Fraction(0),
    "sigmoid": lambda power: Fraction(1, 2) if not power else _tangent(power) / 2 ** (power + 1),
    "sqrt": _root,
    "log": lambda power: Fraction((-1) ** (power + 1), power) if power else Fraction(0),
}
# The functions whose series is of what is 1 at 0, by their series in the difference.
OF_ONE = {"sqrt": "sqrt", "log": "log"}
