"""Quotients, powers and roots taken apart so that no square on the way overflows or vanishes."""

from __future__ import annotations

import sympy
from sympy import Expr

from gradcli.derivation.tensor_program import COTANGENT


def fraction(term: Expr) -> tuple[list[Expr], list[Expr]]:
    """Return the factors above and below the line; a rational number splits too (1/3 is a division by 3)."""
    above: list[Expr] = []
    below: list[Expr] = []
    for factor in sympy.Mul.make_args(term):
        base, exponent = factor.as_base_exp()
        if factor.is_Rational:
            above += [sympy.Integer(factor.p)] if factor.p != 1 else []
            below += [sympy.Integer(factor.q)] if factor.q != 1 else []
        elif exponent.is_Number and exponent.is_negative and not factor.is_Number:
            below.append(sympy.Pow(base, -exponent))
        else:
            above.append(factor)
    return above, below


TWO = 2
# A power up to this one is written out as a product.
LARGEST_UNFOLDED = 4


def unfolded(factors: list[Expr]) -> list[Expr]:
    """Return factors with small whole powers written out."""
    found: list[Expr] = []
    for factor in factors:
        base, exponent = factor.as_base_exp()
        whole = exponent.is_Integer and 1 < exponent <= LARGEST_UNFOLDED and not factor.is_Number
        found += [base] * int(exponent) if whole else [factor]
    return found


def sides(node: Expr) -> tuple[Expr, ...]:
    """Return a and b if an expression is a² + b², whose root need not overflow where the squares do."""
    pair = [_root(square) for square in node.args] if node.is_Add else []
    return tuple(pair) if len(pair) == TWO and all(pair) else ()


def _root(node: Expr) -> Expr | None:
    """Return the root of a square; of 1, too."""
    if node == 1:
        return node
    return node.base if node.is_Pow and node.exp == TWO else None


def is_scale(factor: Expr) -> bool:
    """Return whether a factor is a number or the upstream gradient: these come after the operands themselves."""
    return factor.is_Number or str(factor).startswith(COTANGENT)
