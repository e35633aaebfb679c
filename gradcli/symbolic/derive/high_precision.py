"""A pointwise derivative, or value, at single points to 50 digits: it settles who is right where two gradients part."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import sympy
from sympy import Expr, Rational, Symbol
from sympy.core.relational import Relational

from gradcli.derivation.messages import Arbitrated, Arbitration
from gradcli.symbolic.derive.entries import build, scalar

# More digits are needed on the way where most of them cancel.
DIGITS, MOST_DIGITS = 50, 5000
# Where a condition changes at a point, derivatives so near to both sides of it must be the one at the point.
NEARBY, SAME = Rational(1, 10**400), Rational(1, 10**40)
# No float holds what is larger, and a float that is 0 stands for what is smaller.
LARGEST, SMALLEST = Rational(sys.float_info.max), Rational(1, 10**400)
# A value that is smaller, and not 0, is given as this: as a fraction, exp(-1e160) has more digits than there are.
LEAST = Rational(1, 10**4000)

# So many digits are shown of what no float holds, unless its exponent is longer than that.
SHORT, LONGEST = 4, 20
INFINITE = (sympy.zoo, sympy.oo, -sympy.oo)

Point = Mapping[Symbol, Expr]


def arbitrate(request: Arbitration) -> Arbitrated:
    """Return the number that is asked for, to DIGITS digits.

    Raises ValueError where the derivative does not exist, as at a kink. A value that is a fraction is given exactly.
    """
    operands = [name for name, _ in request.points[0]]
    terms = build(request.formula, dict.fromkeys(operands, ""), dict(request.numbers), "").terms
    if request.wrt is None:
        return _valued(_total(request, lambda point: _placed(sympy.Add(*terms), point)))
    wrt = scalar(request.wrt)
    derivative = sum((sympy.diff(term, wrt) for term in terms), sympy.S.Zero)
    return _arbitrated(_number(_total(request, lambda point: _at(derivative, wrt, point))))


def _total(request: Arbitration, at: Callable[[Point], Expr]) -> Expr:
    """Return the sum over the points of a request, each weighted by its cotangent."""
    points = ({scalar(name): Rational(value) for name, value in point} for point in request.points)
    weights = map(Rational, request.cotangents)
    return sympy.Add(*(weight * at(point) for point, weight in zip(points, weights, strict=True)))


def _valued(value: Expr) -> Arbitrated:
    """Return a value, however small it is: its sign is known."""
    if value.is_Rational:
        return Arbitrated(str(value))
    found = _number(value)
    if found and abs(found) < LEAST:
        return Arbitrated(str(sympy.sign(found) * LEAST))
    return _arbitrated(found, smallest=sympy.S.Zero)


def _at(derivative: Expr, wrt: Symbol, point: Point) -> Expr:
    """Return a derivative at a point; ValueError where it is not a number, or differs to either side."""
    found = _number(_placed(derivative, point))
    if found.is_finite and any(_changes(condition, point) for condition in derivative.atoms(Relational)):
        for step in (-NEARBY, NEARBY):
            aside = _number(_placed(derivative, {**point, wrt: point[wrt] + step}))
            if not abs(aside - found) <= SAME * (1 + abs(found)):
                msg = "a kink has no derivative"
                raise ValueError(msg)
    return found


def _placed(expression: Expr, point: Point) -> Expr:
    """Return an expression at a point. All operands are put in at once: one by one, 0/b is 0 before b is."""
    return expression.xreplace(point).doit()


def _changes(condition: Relational, point: Point) -> bool:
    """Return whether a condition is at its boundary."""
    return bool((condition.lhs - condition.rhs).xreplace(point).is_zero)


def _number(value: Expr) -> Expr:
    """Return a real number to DIGITS digits, or an infinity; ValueError for anything else."""
    found = value.evalf(DIGITS, maxn=MOST_DIGITS)
    if not (found.is_Float or found.is_Rational or found in INFINITE):
        msg = f"{found} is not a number"
        raise ValueError(msg)
    return found


def _arbitrated(value: Expr, smallest: Expr = SMALLEST) -> Arbitrated:
    if value in INFINITE:
        return Arbitrated("infinity", "infinite")
    if abs(value) > LARGEST:
        short = str(value.evalf(SHORT))
        return Arbitrated(short if len(short) <= LONGEST else "a number of many digits", "too large")
    return Arbitrated(str(value) if abs(value) > smallest else "0")
