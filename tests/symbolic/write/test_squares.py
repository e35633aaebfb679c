"""Differences of squares: sympy says that they are equal."""

from __future__ import annotations

import pytest
import sympy
from sympy import Expr
from sympy.abc import a, x, y

from gradcli.symbolic.write.squares import squared


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (y * (x - 1) * (x + 1), y * (x**2 - 1)),
        ((1 - x) * (x + 1) * (a - 2) * (2 + a), (1 - x**2) * (a**2 - 4)),
        (sympy.exp(y * (1 - x) * (1 + x)), sympy.exp(y * (1 - x**2))),
        (y * (x - a) * (x + a), y * (x - a) * (x + a)),
        (y * (x - 1) * (x + 2), y * (x - 1) * (x + 2)),
        (y * (x - 1) ** 2, y * (x - 1) ** 2),
    ],
)
def test_a_sum_times_a_difference_is_one_of_squares_where_a_term_is_a_number(before: Expr, after: Expr) -> None:
    assert squared(before) == after
    assert sympy.simplify(squared(before) - before) == 0
