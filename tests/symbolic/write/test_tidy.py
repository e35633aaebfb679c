"""Choices made shorter: what they are at the very point at which they branch stays what it is."""

from __future__ import annotations

import pytest
import sympy
from sympy import Expr, Piecewise, Symbol

from gradcli.symbolic.write.tidy import merge_branches, tidy

X, Y = Symbol("x", real=True), Symbol("y", real=True)
SIGN = Piecewise((1, X > 0), (-1, True))
# The derivative of log(1 + exp(-x)) as that of a larger operand and of what is added to it: it has no kink.
SMOOTH = Piecewise((-1, X < 0), (0, True)) - Piecewise((-1, X < 0), (1, True)) / (1 + sympy.exp(sympy.Abs(X)))


def test_a_choice_between_1_and_minus_1_is_a_sign() -> None:
    assert merge_branches(SIGN * Y) == sympy.sign(X) * Y


@pytest.mark.parametrize(
    "whole", [SMOOTH, SIGN * Piecewise((Y, X > 0), (0, True)), SIGN - Piecewise((2, X < 0), (3, True))]
)
@pytest.mark.parametrize("point", [-1, 0, 1])
def test_choices_that_ask_about_one_value_are_together_what_they_were(whole: Expr, point: int) -> None:
    values = {X: point, Y: 3}
    assert merge_branches(whole).subs(values) == whole.subs(values)


def test_a_smooth_sum_of_choices_has_its_slope_at_their_common_point() -> None:
    assert merge_branches(SMOOTH).subs(X, 0) == -sympy.Rational(1, 2)


def test_a_value_in_a_sum_is_not_the_same_for_all_indices() -> None:
    index, x = Symbol("c000", integer=True, nonnegative=True), sympy.IndexedBase("x", real=True)
    whole = Y * sympy.Sum(sympy.Abs(x[index]), (index, 0, 2)) + sympy.Abs(Y) * X
    values = {x[0]: 1, x[1]: -2, x[2]: 4, X: 3, Y: -5}
    assert tidy(whole).doit().subs(values) == -5 * 7 + 5 * 3
