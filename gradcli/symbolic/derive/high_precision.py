"""A pointwise derivative at single points, to 50 digits: it settles who is right where two gradients part."""

from __future__ import annotations

from typing import Any

import sympy

from gradcli.symbolic.derive.entries import build, scalar

DIGITS = 50


def arbitrate(request: dict[str, Any]) -> dict[str, Any]:
    """Return Σ cotangent · ∂formula/∂operand over the points asked for, as text of DIGITS digits.

    `points` are exact binary numbers by operand. Kinks have no derivative: a point at one raises ValueError.
    """
    entry = build(request["formula"], dict.fromkeys(request["points"][0], ""), dict(request["numbers"]), "")
    derivative = sum((sympy.diff(term, scalar(request["wrt"])) for term in entry.terms), sympy.S.Zero)
    total = sympy.S.Zero
    for point, cotangent in zip(request["points"], request["cotangents"], strict=True):
        exact = {scalar(name): sympy.Rational(value) for name, value in point.items()}
        total += sympy.Rational(cotangent) * derivative.subs(exact).doit()
    value = total.evalf(DIGITS)
    if not value.is_Float and not value.is_Rational:
        msg = f"{value} is not a number"
        raise ValueError(msg)
    return {"value": str(value)}
