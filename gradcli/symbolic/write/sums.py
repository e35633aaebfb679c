"""Sums with numeric limits, Kronecker's deltas and conditions on indices: what can be evaluated is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count, permutations
from typing import Any

import sympy
from sympy import And, Expr, Integer, KroneckerDelta, Mul, Piecewise, Sum, Symbol

from gradcli.symbolic.write.branches import apart
from gradcli.symbolic.write.conditions import is_iverson, iverson
from gradcli.symbolic.write.unfolded import UnfoldedSum

MOST_NESTED = 3
Sizes = Mapping[Symbol, int]


def total(body: Expr, indices: Iterable[Expr], sizes: Sizes) -> Expr:
    """Return Σ body over the whole range of each index; a number, of an axis of length 1, is none."""
    for index in indices:
        body = _total(body, index, sizes) if isinstance(index, Symbol) else body
    return body


def _total(body: Expr, index: Symbol, sizes: Sizes) -> Expr:
    body = sympy.sympify(body)
    if index not in body.free_symbols:
        return body * sizes[index]
    if body.is_Add:
        return sympy.Add(*[_total(term, index, sizes) for term in body.args])
    if any(_is_bracket(factor, index) for factor in _spread(body)):
        body = sympy.expand_mul(body)
        if body.is_Add:
            return sympy.Add(*[_total(term, index, sizes) for term in body.args])
        return _bracketed(list(Mul.make_args(body)), index, sizes)
    outside, inside = body.as_independent(index, as_Add=False)
    if inside.is_Add:
        return outside * _total(inside, index, sizes)
    return _closed(body, index, Integer(0), Integer(sizes[index] - 1))


def settled(body: Any) -> Any:
    """Return an expression whose sums are as `total` makes them, after something else has rewritten what is in them."""
    if not body.has(Sum):
        return body
    if not isinstance(body, Sum):
        return body.func(*[settled(part) if part.args else part for part in body.args])
    *inside, (variable, low, high) = body.limits
    inner = settled(body.func(body.function, *inside) if inside else body.function)
    if low != 0 or not high.is_Integer:
        return body.func(inner, body.limits[-1])
    index = sympy.Dummy(integer=True, nonnegative=True)
    return _total(inner.xreplace({variable: index}), index, {index: int(high) + 1})


def _spread(body: Expr) -> list[Any]:
    """Return the factors of a product, and those of the terms of its factors."""
    return [
        inner
        for factor in Mul.make_args(body)
        for term in (factor.args if factor.is_Add else (factor,))
        for inner in Mul.make_args(term)
    ]


def _is_bracket(factor: Any, index: Symbol) -> bool:
    """Tell whether a factor is 1 or 0, depending on an index."""
    delta = isinstance(factor, KroneckerDelta) or is_iverson(factor)
    return delta and index in factor.free_symbols


def _bracketed(factors: list[Any], index: Symbol, sizes: Sizes) -> Expr:
    """Return the sum of a product with a delta (which sets the index) or a condition (which narrows its range)."""
    for factor in factors:
        if isinstance(factor, KroneckerDelta) and index in factor.args:
            rest = Mul(*[other for other in factors if other is not factor])
            (value,) = [side for side in factor.args if side != index]
            return rest.xreplace({index: value}) * _within(value, sizes[index], sizes)
    for factor in factors:
        solved = _solved(factor, index) if isinstance(factor, KroneckerDelta) else None
        if solved is not None:
            rest = Mul(*[other for other in factors if other is not factor])
            return rest.xreplace({index: solved}) * _within(solved, sizes[index], sizes)
    low, high, rest = Integer(0), Integer(sizes[index] - 1), []
    for factor in factors:
        lower, upper = _limits(factor, index) if is_iverson(factor) else (None, None)
        if lower is not None and low == 0 and _is_nonnegative(lower, sizes):
            low = lower
        elif upper is not None and high == sizes[index] - 1 and _is_nonnegative(high - upper, sizes):
            high = upper
        else:
            rest.append(factor)
    if not _ordered(low, high, sizes):
        return _closed(Mul(*factors), index, Integer(0), Integer(sizes[index] - 1))
    return _closed(Mul(*rest), index, low, high)


def _solved(delta: KroneckerDelta, index: Symbol) -> Expr | None:
    """Return the index for which a linear delta is 1; None if that would be a quotient."""
    apart = delta.args[0] - delta.args[1]
    coefficient = apart.coeff(index)
    rest = apart - coefficient * index
    return -coefficient * rest if coefficient in {1, -1} and index not in rest.free_symbols else None


def _limits(factor: Piecewise, index: Symbol) -> tuple[Expr | None, Expr | None]:
    """Return the lower or the upper limit that a condition such as k <= i puts on an index."""
    condition = factor.args[0].cond
    sides = (sympy.Le, sympy.Lt, sympy.Ge, sympy.Gt)
    if not isinstance(condition, sides) or index not in (condition.lhs, condition.rhs):
        return None, None
    is_upper = (condition.lhs == index) == isinstance(condition, (sympy.Le, sympy.Lt))
    other = condition.rhs if condition.lhs == index else condition.lhs
    strict = int(isinstance(condition, (sympy.Lt, sympy.Gt)))
    if index in other.free_symbols:
        return None, None
    return (None, other - strict) if is_upper else (other + strict, None)


def _ordered(low: Expr, high: Expr, sizes: Sizes) -> bool:
    """Tell whether low <= high + 1 for certain, so that there are high - low + 1 indices."""
    return _is_nonnegative(high - low + 1, sizes)


def _is_nonnegative(value: Expr, sizes: Sizes) -> bool:
    span = _span(value, sizes)
    return span is not None and span[0] >= 0


def _closed(body: Expr, index: Symbol, low: Expr, high: Expr) -> Expr:
    """Return the sum as an object, its factors that do not depend on the index taken out."""
    factors = apart(Mul.make_args(body))
    inside = [factor for factor in factors if index in factor.free_symbols]
    outside = Mul(*[factor for factor in factors if index not in factor.free_symbols])
    if not inside:
        return outside * (high - low + 1)
    inner = Mul(*inside)
    taken = bound_indices(inner) | inner.free_symbols
    # The first that is not in use: equal sums have equal indices, and cancel.
    name = next(fresh for fresh in map(_bound_index, count()) if fresh not in taken)
    return outside * _sorted(UnfoldedSum(inner.xreplace({index: name}), (name, low, high)))


def _sorted(whole: Sum) -> Sum:
    """Return nested sums in the one of their orders that sorts first."""
    body, limits = whole, []
    while isinstance(body, Sum):
        limits += [(high, variable) for variable, _, high in reversed(body.limits)]
        if len(limits) > MOST_NESTED or any(low != 0 or not high.is_Integer for _, low, high in body.limits):
            return whole
        body = body.function
    names = sorted((name for _, name in limits), key=str)
    orders = [
        (body.xreplace({name: new for (_, name), new in zip(order, names, strict=True)}), order)
        for order in permutations(limits)
    ]
    body, order = min(orders, key=lambda found: (sympy.default_sort_key(found[0]), str(found[1])))
    for (high, _), name in zip(order, names, strict=True):
        body = UnfoldedSum(body, (name, 0, high))
    return body


def _bound_index(number: int) -> Symbol:
    return Symbol(f"c{number:03d}", integer=True, nonnegative=True)


def bound_indices(body: Expr) -> set[Symbol]:
    """Return the indices that the sums in an expression bind."""
    return {variable for inner in body.atoms(Sum) for variable in inner.variables}


def solve_index(  # noqa: PLR0917 (an equation's parts)
    target: Expr, base: int, step: int, index: Expr | None, known: Mapping[Symbol, Expr], sizes: Sizes
) -> tuple[dict[Symbol, Expr], Expr]:
    """Return the result's index for which base + step*index is the target, and the condition that there is one."""
    if not isinstance(target, Symbol):
        return {}, sympy.true
    if not isinstance(index, Symbol):
        return {}, sympy.Eq(target, base)
    if index in known:
        return {}, sympy.Eq(target, base + step * known[index])
    offset = (target - base) * (1 if step > 0 else -1)
    stride = abs(step)
    conditions = [_reachable(target, base, step, sizes[index], sizes)]
    if stride > 1:
        conditions.append(sympy.Eq(sympy.Mod(offset, stride), 0))
    return {index: offset / stride}, And(*conditions)


def _reachable(target: Symbol, base: int, step: int, count: int, sizes: Sizes) -> Expr:
    ends = sorted((base, base + step * (count - 1)))
    low = sympy.true if ends[0] - abs(step) < 0 else sympy.Ge(target, ends[0])
    high = sympy.true if ends[1] + abs(step) > sizes[target] - 1 else sympy.Le(target, ends[1])
    return And(low, high)


def _within(value: Expr, size: int, sizes: Sizes) -> Expr:
    """Return 1 where an index lies within an axis, else 0."""
    span = _span(value, sizes)
    if span is not None and span[0] >= 0 and span[1] < size:
        return Integer(1)
    return iverson([sympy.Ge(value, 0), sympy.Le(value, size - 1)])


def greatest(value: Expr, sizes: Sizes) -> int | None:
    """Return the greatest value of an index expression; None if that is not known."""
    span = _span(value, sizes)
    return None if span is None else span[1]


def _span(value: Expr, sizes: Sizes) -> tuple[int, int] | None:
    """Return the least and the greatest value of an index expression, or None if it is not linear with known ranges."""
    low = high = 0
    for term in sympy.Add.make_args(sympy.sympify(value)):
        factor, rest = term.as_coeff_Mul()
        if rest == 1:
            ends = (int(factor), int(factor)) if factor.is_Integer else None
        else:
            ends = (0, int(factor) * (sizes[rest] - 1)) if rest in sizes and factor.is_Integer else None
        if ends is None:
            return None
        low, high = low + min(ends), high + max(ends)
    return low, high
