"""Square roots of numbers in a quotient, as few as may be: sqrt(2)/(2*sqrt(pi)) is 1/sqrt(2*pi)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sympy import Expr, Integer, Mul, Pow, Rational

HALF = Rational(1, 2)


def with_one_root(coefficient: Any, above: Sequence[Expr], below: Sequence[Expr]) -> tuple[Any, list[Expr], list[Expr]]:
    """Return a number and what stands above and below the line, with the roots of numbers as one root.

    A root above is one below where the number is divided by what it is of: sqrt(2)/2 is 1/sqrt(2).
    """
    over, above = _split(above)
    under, below = _split(below)
    for inside in [*over]:
        if inside.is_Integer and coefficient.q % int(inside) == 0:
            coefficient *= inside
            over.remove(inside)
            under.append(inside)
    if over and under:
        return coefficient, [_root(Mul(*over) / Mul(*under)), *above], below
    return coefficient, [*_roots(over), *above], [*_roots(under), *below]


def with_rooted_number(body: Expr) -> tuple[Any, Expr]:
    """Return the number before a product and the product; 1 if that has a number's root, which the number may go into.

    The root is written with the number: sqrt(2)*x/2 is x/sqrt(2).
    """
    number, rest = body.as_coeff_Mul(rational=True)
    is_rooted = any(one.is_number and isinstance(one, Pow) and abs(one.exp) == HALF for one in Mul.make_args(rest))
    return (Integer(1), body) if is_rooted else (number, rest)


def _split(factors: Sequence[Expr]) -> tuple[list[Any], list[Expr]]:
    """Return what numbers' roots among some factors are of, and the other factors."""
    roots = [one for one in factors if one.is_number and isinstance(one, Pow) and one.exp == HALF]
    return [one.base for one in roots], [one for one in factors if one not in roots]


def _roots(inside: Sequence[Any]) -> list[Expr]:
    return [_root(Mul(*inside))] if inside else []


def _root(inside: Expr) -> Expr:
    """Return a root, as it is: sympy would take that of a product apart."""
    return Integer(1) if inside == 1 else Pow(inside, HALF, evaluate=False)
