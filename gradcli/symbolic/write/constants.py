"""Decimals that are multiples of well-known constants but for rounding: 6.283185307179586 is `2*pi`.

A program computes such numbers before any tensor is there, so that only the decimal is left of `2*pi`.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy
from sympy import Expr, Rational

# A number with a smaller denominator is a fraction itself; how a multiple may look; how far off rounding may be.
SIMPLE, LARGEST, ROUNDING = 10**5, 128, 4e-16
KNOWN = (
    sympy.pi,
    sympy.pi**2,
    sympy.sqrt(sympy.pi),
    sympy.sqrt(2 * sympy.pi),
    sympy.E,
    sympy.log(2),
    sympy.log(10),
    sympy.log(2 * sympy.pi),
)
CONSTANTS = tuple((one, float(one)) for known in KNOWN for one in (known, 1 / known))


def with_constants(body: Expr) -> Expr:
    """Return an expression in which such decimals are multiples of the constants."""
    found = {decimal: _known(decimal) for decimal in body.atoms(Rational) if decimal.q > SIMPLE}
    changed = {decimal: constant for decimal, constant in found.items() if constant != decimal}
    return body.xreplace(changed) if changed else body


@lru_cache(maxsize=256)
def _known(decimal: Any) -> Expr:
    for constant, value in CONSTANTS:
        multiple = float(decimal) / value
        ratio = Fraction(multiple).limit_denominator(LARGEST)
        if 0 < abs(ratio.numerator) <= LARGEST and math.isclose(ratio, multiple, rel_tol=ROUNDING):
            whole: Expr = Rational(ratio) * constant
            return whole
    unchanged: Expr = decimal
    return unchanged
