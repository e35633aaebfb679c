"""Bessel functions times exp(-|x|), which are functions of their own: `special.i0e(x)` does not overflow."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Expr, Mul, Piecewise

# exp(-|x|)*besseli(n, x) for n of 0 and 1.
Scaled = sympy.Function("scaled_besseli", real=True)


def scaled_bessel(body: Any) -> Any:
    """Return an expression with such products as one function."""
    if not body.has(sympy.besseli) or not body.has(sympy.exp):
        return body
    parts = [scaled_bessel(part) if part.args else part for part in body.args]
    rebuilt = body.func(*parts) if parts != [*body.args] else body
    return _scaled(rebuilt) if rebuilt.is_Mul else rebuilt


def _scaled(product: Any) -> Expr:
    for factor in product.args:
        if isinstance(factor, sympy.exp) and isinstance(-factor.exp, sympy.Abs):
            (value,) = (-factor.exp).args
            rest: Expr = product / factor
            own = {one for one in rest.atoms(sympy.besseli) if one.args[1] == value and one.args[0].is_Integer}
            terms = sympy.Add.make_args(sympy.expand_mul(rest))
            if own and all(sum(one in own for one in Mul.make_args(term)) == 1 for term in terms):
                return rest.xreplace({one: _function(int(one.args[0]), value) for one in own})
    return product


def _function(order: int, value: Expr) -> Any:
    """Return exp(-|x|)*besseli(n, x), one of higher order by those of lower ones (DLMF 10.29.1, and 10.30.1 at 0)."""
    if order <= 1:
        return Scaled(sympy.Integer(order), value)
    quotient = 2 * (order - 1) * _function(order - 1, value) / value
    return _function(order - 2, value) - without_pole(order, quotient, value)


def without_pole(order: int, quotient: Expr, value: Expr) -> Any:
    """Return what recurrence adds to a function of an order, with the limit at 0."""
    at_zero = sympy.Integer(1 if order == 2 else 0)  # noqa: PLR2004 (of order 1 the quotient is a half)
    return Piecewise((at_zero, sympy.Eq(value, 0)), (quotient, True))
