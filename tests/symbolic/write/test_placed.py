"""Choices by the places of entries: at each place they are what the sum of terms is there."""

from __future__ import annotations

from itertools import product

import pytest
import sympy
from sympy import Eq, Expr, IndexedBase, KroneckerDelta, Mod, Piecewise, Symbol

from gradcli.symbolic.write.placed import placed

p, q = (Symbol(name, integer=True, nonnegative=True) for name in "pq")
x = IndexedBase("x", real=True)
ROSENBROCK = 2 * KroneckerDelta(p, 0) * (x[0] - 1) + (x[1] - x[0] ** 2) * (
    200 * KroneckerDelta(p, 1) - 400 * x[0] * KroneckerDelta(p, 0)
)
PRODUCT = x[0] * (KroneckerDelta(p, 1) * KroneckerDelta(q, 2) + KroneckerDelta(p, 2) * KroneckerDelta(q, 1))
EVEN = Piecewise((x[p + 1], Eq(Mod(p, 2), 0)), (0, True)) + Piecewise((x[p - 1], Eq(Mod(p + 1, 2), 0)), (0, True))


def value(body: Expr, at: dict[Symbol, int]) -> Expr:
    """Return an expression at some places, its choices made."""
    found: Expr = body.subs(at).doit()
    return found


@pytest.mark.parametrize(
    ("body", "sizes"),
    [
        (ROSENBROCK, {p: 2}),
        (ROSENBROCK, {p: 5}),
        (PRODUCT + x[1] * KroneckerDelta(p, 0) * KroneckerDelta(q, 0) + x[1] * KroneckerDelta(p, 1), {p: 3, q: 3}),
        (EVEN * x[0] + EVEN * x[2] + KroneckerDelta(p / 2, 1), {p: 4}),
    ],
)
def test_a_choice_is_what_the_sum_is_at_every_place(body: Expr, sizes: dict[Symbol, int]) -> None:
    found = placed(body, sizes)
    assert found != body
    assert isinstance(found, Piecewise)
    for places in product(*(range(size) for size in sizes.values())):
        at = dict(zip(sizes, places, strict=True))
        assert sympy.expand(value(found, at) - value(body, at)) == 0


def test_what_most_entries_are_comes_last() -> None:
    found = placed(ROSENBROCK + KroneckerDelta(p, 2) * x[2] ** 2, {p: 4})
    assert found.args[-1] == (0, True)
    assert len(found.args) == 4


def test_a_term_of_one_entry_stays_a_term_where_that_is_shorter() -> None:
    body = sympy.exp(x[p]) * x[0] - KroneckerDelta(p, 2)
    assert placed(body, {p: 5}) == body


def test_a_sum_over_an_index_keeps_its_own() -> None:
    body = sympy.Sum(x[q] * KroneckerDelta(q, 1), (q, 0, 2)) + x[p]
    assert placed(body, {p: 3, q: 3}) == body
