"""Choices in sums: what is common to their branches stands beside them, and no condition leaves its sum."""

from __future__ import annotations

import pytest
import sympy
from sympy import IndexedBase, Mul, Piecewise, Sum, Symbol

from gradcli.symbolic.write.branches import apart, is_rectified
from gradcli.symbolic.write.unfolded import UnfoldedSum

K, P = (Symbol(name, integer=True, nonnegative=True) for name in "kp")
A, B, V = (IndexedBase(name, real=True) for name in "ABV")
TEST = V[K] > 0


def test_a_factor_that_is_not_chosen_by_stands_beside_the_choice() -> None:
    found = apart([Piecewise((V[K] * A[K, P], TEST), (0, True))])
    assert found == [A[K, P], Piecewise((V[K], TEST), (0, True))]


def test_factors_along_the_axes_of_the_condition_go_into_it() -> None:
    found = apart([V[K], Piecewise((1, TEST), (0, True)), A[K, P]])
    assert found == [A[K, P], Piecewise((V[K], TEST), (0, True))]


@pytest.mark.parametrize("choice", [Piecewise((A[K, P], TEST), (B[K, P], True)), Piecewise((V[K], TEST), (0, True))])
def test_a_choice_without_a_common_factor_stays(choice: Piecewise) -> None:
    assert apart([choice]) == [choice]


def test_a_product_is_the_same_product() -> None:
    choice = Piecewise((2 * V[K] * A[K, P], TEST), (-A[K, P], True))
    values = {V[K]: 3, A[K, P]: 5}
    assert Mul(*apart([choice])).xreplace(values) == choice.xreplace(values) == 30


def test_a_condition_stays_in_the_sum_whose_index_it_reads() -> None:
    inner = UnfoldedSum(Piecewise((V[K], TEST), (0, True)), (K, 0, 2))
    outer = UnfoldedSum(inner**2 * A[P, P], (P, 0, 1))
    assert K not in outer.free_symbols
    assert isinstance(outer, Sum)


def test_sums_of_sums_are_one_and_of_0_are_0() -> None:
    assert UnfoldedSum(UnfoldedSum(A[K, P], (K, 0, 2)), (P, 0, 1)).limits == ((K, 0, 2), (P, 0, 1))
    assert UnfoldedSum(0, (K, 0, 2)) == 0


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (Piecewise((V[K], V[K] > 0), (0, True)), True),
        (Piecewise((1 - V[K], V[K] < 1), (0, True)), True),
        (Piecewise((V[K], V[K] > 1), (0, True)), False),
        (Piecewise((V[K], V[K] > 0), (1, True)), False),
        (Piecewise((-V[K], V[K] > 0), (0, True)), False),
        (Piecewise((V[K], sympy.Ne(V[K], 0)), (0, True)), False),
    ],
)
def test_what_is_a_relu(choice: Piecewise, wanted: bool) -> None:
    assert is_rectified(choice) is wanted
