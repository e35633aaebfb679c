"""What cancels near 0 although its limit there is a number: it is its power series where the value is small.

Of (1 - cos(x))/x**2 and its like no rewriting keeps the digits; numerical libraries take the series near 0.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from fractions import Fraction

from gradcli.derivation.notation.parsed import names_read
from gradcli.derivation.notation.power_series import Series, series_of
from gradcli.derivation.notation.stable_parts import factors, minus, over, product, terms, times
from gradcli.derivation.notation.terms import call

# How near to 0 the series is taken, the farthest at which it has few terms; and how much of it may be left out.
RADII = (Fraction(1), Fraction(1, 2), Fraction(1, 4), Fraction(1, 10))
FEW, MOST = 7, 12
LEFT_OUT = Fraction(1, 10**11)


class NearZero(ast.NodeTransformer):
    """Writes the largest parts that cancel near 0 so, and notes them."""

    def __init__(self) -> None:
        self.said: dict[str, ast.expr] = {}

    def visit(self, node: ast.AST) -> ast.AST:
        """Return an expression so: as a whole, or what is of one value among its factors, or its parts."""
        found = self._found(node) if isinstance(node, ast.BinOp) else None
        return self.generic_visit(node) if found is None else found

    def _found(self, node: ast.BinOp) -> ast.expr | None:
        above, below = _fraction(node)
        for name in dict.fromkeys(names_read(node)):
            own = [[one for one in side if {*names_read(one)} == {name}] for side in (above, below)]
            rest = [[one for one in side if {*names_read(one)} != {name}] for side in (above, below)]
            if not own[0]:
                continue
            whole = over(product(own[0]), product(own[1])) if own[1] else product(own[0])
            written = near_zero(whole, name)
            if written is not None:
                self.said[ast.unparse(whole)] = written
                numerator = product([*rest[0], written])
                return over(numerator, product(rest[1])) if rest[1] else numerator
        return None


def _fraction(node: ast.expr) -> tuple[list[ast.expr], list[ast.expr]]:
    """Return the factors above and below the line."""
    match node:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            (above, below), (more, less) = _fraction(left), _fraction(right)
            return [*above, *more], [*below, *less]
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            above, below = _fraction(left)
            return above, [*below, *factors(right)]
    return [node], []


def near_zero(node: ast.expr, name: str) -> ast.expr | None:
    """Return an expression in one value as a choice: its series near 0; None if nothing cancels there."""
    series = series_of(node, name)
    if series is None or not series.coefficients or series.first < 0 or not _cancels(node, name):
        return None
    radius = next((one for one in RADII if _count(series, one) <= (MOST if one == RADII[-1] else FEW)), None)
    if radius is None:
        return None
    polynomial = _polynomial(series, _powers(series, radius), name)
    if _is_polynomial(node):
        return polynomial
    test = ast.Compare(call("abs", ast.Name(name)), [ast.Lt()], [ast.Constant(float(radius))])
    return call("where", test, polynomial, node)


def _is_polynomial(node: ast.expr) -> bool:
    """Tell whether an expression is made by sums and products alone: its series is what it is everywhere."""
    others = (ast.Call, ast.Div)
    return not any(isinstance(inner, others) for inner in ast.walk(node))


def _polynomial(series: Series, several: Sequence[int], name: str) -> ast.expr:
    """Return the sum of some powers, in their order."""
    whole: ast.expr | None = None
    for power in several:
        own = series.at(power)
        term = times(abs(own), _power(name, power))
        if whole is None:
            whole = term if own > 0 else minus(term)
        else:
            whole = ast.BinOp(whole, ast.Add() if own > 0 else ast.Sub(), term)
    return ast.Constant(0) if whole is None else whole


def _power(name: str, power: int) -> ast.expr:
    value: ast.expr = ast.Name(name)
    if power < 2:  # noqa: PLR2004 (a square is a power)
        return value if power else ast.Constant(1)
    return ast.BinOp(value, ast.Pow(), ast.Constant(power))


def _powers(series: Series, radius: Fraction) -> list[int]:
    """Return the powers that count within a radius."""
    lead = abs(series.coefficients[0]) * radius**series.first
    powers = range(series.first, series.known())
    return [power for power in powers if abs(series.at(power)) * radius**power > LEFT_OUT * lead]


def _count(series: Series, radius: Fraction) -> int:
    """Return how many terms a series needs: more than it has, where what it has does not get small."""
    powers = _powers(series, radius)
    is_known = powers[-1] < series.known() - 2
    return len(powers) if is_known else series.known() + MOST


def _cancels(node: ast.expr, name: str) -> bool:
    """Tell whether a sum in an expression begins with a higher power than its terms do."""
    return any(
        isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Add | ast.Sub) and _is_lower(inner, name)
        for inner in ast.walk(node)
    )


def _is_lower(node: ast.BinOp, name: str) -> bool:
    whole, parts = series_of(node, name), [series_of(term, name) for _, term in terms(node)]
    known = [part.first for part in parts if part is not None and part.coefficients]
    return whole is not None and bool(known) and (not whole.coefficients or whole.first > min(known))
