"""Shorter tests hold where the longer ones do: at every bound, and on both sides of it."""

from __future__ import annotations

import pytest
import sympy
from sympy import And, Expr, Or, Piecewise, Rational

from gradcli.symbolic.write.decided import with_shorter_tests

r, a = sympy.symbols("r a", real=True)
LOW, HIGH = Rational(4, 5), Rational(6, 5)


@pytest.mark.parametrize(
    ("test", "shorter"),
    [
        (And(r >= LOW, Or(r > HIGH, r < LOW)), r > HIGH),
        (Or(r < LOW, And(r >= LOW, r <= HIGH)), r <= HIGH),
        (And(Or(r > 0, r < -1), Or(r >= 2, r <= 1), r < 3), None),
        (Or(And(r > 0, a > r), And(r >= LOW, Or(r > HIGH, r < LOW))), Or(r > HIGH, And(r > 0, a > r))),
        (And(r >= LOW, r <= LOW), sympy.Eq(r, LOW)),
        (Or(And(r > 0, r < 2), And(r > 1, r <= 3)), And(r > 0, r <= 3)),
        (And(r > 1, r < 0, evaluate=False), sympy.false),
        (Or(And(r > 1, Or(r < 0, And(r < -1, a > r)), evaluate=False), a > r), None),
        (And(r > 1, r >= -r, Or(r > 1, r <= 1, evaluate=False), evaluate=False), None),
        (Or(r < 1, And(r > LOW, r > HIGH)), None),
    ],
)
def test_a_test_of_one_value_is_its_ranges(test: Expr, shorter: Expr | None) -> None:
    body = Piecewise((a, test), (r, True), evaluate=False)
    found = with_shorter_tests(body)
    if shorter is not None:
        assert found == Piecewise((a, shorter), (r, True))
    for number in {bound + step for bound in (-1, 0, LOW, 1, HIGH, 2, 3) for step in (-Rational(1, 100), 0, 0.01)}:
        at = {r: number, a: Rational(11, 10)}
        assert found.subs(at) == body.subs(at)


def test_tests_of_indices_stay() -> None:
    p = sympy.Symbol("p", integer=True, nonnegative=True)
    body = Piecewise((a, And(p >= 1, Or(p > 2, p < 1))), (r, True))
    assert with_shorter_tests(body) == body
