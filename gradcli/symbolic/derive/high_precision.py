"""A pointwise derivative at single points, to 50 digits: it settles who is right where two gradients part."""

from __future__ import annotations

import sympy

from gradcli.derivation.messages import Arbitration
from gradcli.symbolic.derive.entries import build, scalar

DIGITS = 50


def arbitrate(request: Arbitration) -> str:
    """Return the number that is asked for, as text of DIGITS digits.

    Kinks have no derivative: a point at one raises ValueError.
    """
    operands = [name for name, _ in request.points[0]]
    entry = build(request.formula, dict.fromkeys(operands, ""), dict(request.numbers), "")
    derivative = sum((sympy.diff(term, scalar(request.wrt)) for term in entry.terms), sympy.S.Zero)
    total = sympy.S.Zero
    for point, cotangent in zip(request.points, request.cotangents, strict=True):
        exact = {scalar(name): sympy.Rational(value) for name, value in point}
        total += sympy.Rational(cotangent) * derivative.subs(exact).doit()
    value = total.evalf(DIGITS)
    if not value.is_Float and not value.is_Rational:
        msg = f"{value} is not a number"
        raise ValueError(msg)
    return str(value)
