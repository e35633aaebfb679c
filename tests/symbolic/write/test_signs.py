"""Sums with few minus signs: sympy says that they are equal, and how they are written is said here."""

from __future__ import annotations

import pytest
import sympy
from sympy import Expr, IndexedBase, Sum
from sympy.abc import a, b, x, y

from gradcli.symbolic.write.signs import upright

i = sympy.Symbol("i", integer=True)
s = IndexedBase("s")[i]
# A number before a sum stays there.
HALVED = sympy.Mul(sympy.Rational(1, 2), a + b - x, evaluate=False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (y * (x * y - x - 1), y * (x * y - x - 1)),
        (a + y * (x * y - x - 1), a - y * (x + 1 - x * y)),
        (a - y * (x + b - a), a - y * (x + b - a)),
        (-y * (a + b - x), y * (x - a - b)),
        (-2 * y * (a - b), -2 * y * (a - b)),
        (-2 * y * (a - 1), 2 * y * (1 - a)),
        (-y * (a + b), -y * (a + b)),
        (x * (-a - b) * (-x - y), x * (a + b) * (x + y)),
        (1 / (-a - b), -1 / (a + b)),
        ((-a - b) ** 2 * x, (-a - b) ** 2 * x),
        (sympy.sqrt(-a - b) * x, sympy.sqrt(-a - b) * x),
        (Sum(s * (s * x - x - 1), (i, 0, 3)), Sum(s * (s * x - x - 1), (i, 0, 3))),
        (a + Sum(s * (s * x - x - 1), (i, 0, 3)), a - Sum(s * (x + 1 - s * x), (i, 0, 3))),
        (a - y * Sum(s * (s - 1), (i, 0, 3)), a + y * Sum(s * (1 - s), (i, 0, 3))),
        (-y * Sum(s * (s * x - x - 1), (i, 0, 3)), y * Sum(s * (x + 1 - s * x), (i, 0, 3))),
        (sympy.exp(y * (-a - b)), sympy.exp(-y * (a + b))),
        (y * (a - b), y * (a - b)),
        (-a - b, -a - b),
        (HALVED, HALVED),
    ],
)
def test_no_factor_has_more_minus_than_plus_signs(before: Expr, after: Expr) -> None:
    found = upright(before)
    assert found == after
    assert sympy.simplify((found - before).doit()) == 0
