"""A pointwise derivative at single points, to 50 digits: it settles who is right where two gradients part."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import sympy
from sympy import Expr, Rational, Symbol
from sympy.core.relational import Relational

from gradcli.derivation.messages import Arbitration
from gradcli.symbolic.derive.entries import build, scalar

# More digits are needed on the way where most of them cancel.
DIGITS, MOST_DIGITS = 50, 5000
# Where a condition changes at a point, derivatives so near to both sides of it must be the one at the point.
NEARBY, SAME = Rational(1, 10**400), Rational(1, 10**40)
# What no float holds is no gradient's; a number's text is read as a fraction, which has all of its digits.
LARGEST, SMALLEST = Rational(sys.float_info.max), Rational(1, 10**400)

Point = Mapping[Symbol, Expr]


def arbitrate(request: Arbitration) -> str:
    """Return the number that is asked for, as text of DIGITS digits.

    Raises ValueError where the derivative does not exist, as at a kink, or is larger than any float.
    """
    operands = [name for name, _ in request.points[0]]
    entry = build(request.formula, dict.fromkeys(operands, ""), dict(request.numbers), "")
    wrt = scalar(request.wrt)
    derivative = sum((sympy.diff(term, wrt) for term in entry.terms), sympy.S.Zero)
    total = sympy.S.Zero
    for point, cotangent in zip(request.points, request.cotangents, strict=True):
        exact = {scalar(name): Rational(value) for name, value in point}
        total += Rational(cotangent) * _at(derivative, wrt, exact)
    return _text(_number(total))


def _at(derivative: Expr, wrt: Symbol, point: Point) -> Expr:
    """Return a derivative at a point; ValueError where it is not finite, or differs to either side."""
    found = _number(_placed(derivative, point))
    if any(_changes(condition, point) for condition in derivative.atoms(Relational)):
        for step in (-NEARBY, NEARBY):
            aside = _number(_placed(derivative, {**point, wrt: point[wrt] + step}))
            if abs(aside - found) > SAME * (1 + abs(found)):
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
    found = value.evalf(DIGITS, maxn=MOST_DIGITS)
    if not found.is_Float and not found.is_Rational:
        msg = f"{found} is not a number"
        raise ValueError(msg)
    return found


def _text(value: Expr) -> str:
    if abs(value) > LARGEST:
        msg = "the derivative is larger than any float"
        raise ValueError(msg)
    return str(value) if abs(value) > SMALLEST else "0"
