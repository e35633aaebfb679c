"""Sums over the same indices that differ in a factor, as one: Σ a·x + Σ b·x is Σ (a + b)·x."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy
from sympy import Add, Expr, Indexed, Mul, Sum

LARGE = 80  # operations: factoring more takes longer than it is worth


def joined(body: Any) -> Any:
    """Return an expression with such sums as one, where what differs depends on nothing but what is summed over."""
    if not body.has(Sum):
        return body
    if isinstance(body, Sum):
        inside = joined(body.function)
        return body.func(sympy.factor_terms(inside) if _has_common(inside) else inside, *body.limits)
    parts = [joined(part) if part.args else part for part in body.args]
    return _joined(parts) if body.is_Add else body.func(*parts)


def _has_common(body: Any) -> bool:
    """Tell whether all terms of a sum have an entry of a tensor in common."""
    several = [
        {factor for factor in Mul.make_args(term) if isinstance(factor, Indexed)} for term in Add.make_args(body)
    ]
    return len(several) > 1 and bool(set.intersection(*several))


def _joined(terms: Sequence[Any]) -> Expr:
    kept: list[Any] = []
    for term in terms:
        ones = ((place, _as_one(other, term)) for place, other in enumerate(kept))
        place, one = next(((place, one) for place, one in ones if one is not None), (len(kept), term))
        kept[place : place + 1] = [one]
    return Add(*kept)


def _as_one(left: Expr, right: Expr) -> Expr | None:
    """Return the sum of two terms as one sum; None if they are no sums over the same, or differ in more."""
    sums = [[factor for factor in Mul.make_args(term) if isinstance(factor, Sum)] for term in (left, right)]
    if any(len(some) != 1 for some in sums) or left.count_ops() + right.count_ops() > LARGE:
        return None
    (one,), (other,) = sums
    if [limit[1:] for limit in one.limits] != [limit[1:] for limit in other.limits]:
        return None
    # Indices of their own: each has the other's as that of a sum within it.
    own = [sympy.Dummy(integer=True, nonnegative=True) for _ in one.limits]
    first, second = (some.function.xreplace(dict(zip(some.variables, own, strict=True))) for some in (one, other))
    shared = set(Mul.make_args(first)) & set(Mul.make_args(second))
    both = sympy.factor(left / one * first + right / other * second)
    added = [factor for factor in Mul.make_args(both) if factor.is_Add]
    if not any(_indices(factor) - set(own) for factor in shared) or not added:
        return None
    if any(not _indices(factor) <= set(own) for factor in added):
        return None
    outside, inside = both.as_independent(*own, as_Add=False)
    return outside * Sum(inside, *((index, *limit[1:]) for index, limit in zip(own, one.limits, strict=True)))


def _indices(body: Expr) -> set[Any]:
    bound = {variable for inner in body.atoms(Sum) for variable in inner.variables}
    return {symbol for entry in body.atoms(Indexed) for index in entry.indices for symbol in index.free_symbols} - bound
