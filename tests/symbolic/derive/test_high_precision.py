"""Derivatives to 50 digits, against mpmath's own at a higher precision."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import pytest

from gradcli.derivation.messages import Arbitration
from gradcli.symbolic.derive.high_precision import arbitrate

X, Y = Fraction(0.3), Fraction(-1.75)


def request(formula: str, wrt: str, points: list[dict[str, Fraction]], cotangents: list[Fraction]) -> Arbitration:
    texts = tuple(tuple((name, str(value)) for name, value in point.items()) for point in points)
    return Arbitration(formula, (("scale", 3.0),), wrt, texts, tuple(str(value) for value in cotangents))


@pytest.mark.parametrize(
    ("formula", "wrt", "derivative"),
    [
        ("exp(x)*y", "x", lambda x, y: mpmath.exp(x) * y),
        ("exp(x)*y", "y", lambda x, _: mpmath.exp(x)),
        ("sin(x*y)", "x", lambda x, y: y * mpmath.cos(x * y)),
        ("x/(1 + exp(-scale*x))", "x", lambda x, _: mpmath.diff(lambda t: t / (1 + mpmath.exp(-3 * t)), x)),
    ],
)
def test_fifty_digits(formula: str, wrt: str, derivative: object) -> None:
    with mpmath.workdps(80):
        x, y = (mpmath.mpf(value.numerator) / value.denominator for value in (X, Y))
        right = 2 * derivative(x, y)  # type: ignore[operator]
        names = {"x": X} if "y" not in formula else {"x": X, "y": Y}
        found = arbitrate(request(formula, wrt, [names], [Fraction(2)]))
        assert abs(mpmath.mpf(found) - right) <= mpmath.mpf(10) ** -45 * abs(right)


def test_the_terms_of_an_operand_that_is_broadcast_add_up() -> None:
    points = [{"x": Fraction(k), "y": Y} for k in (1, 2, 3)]
    found = arbitrate(request("x**2*y", "y", points, [Fraction(1), Fraction(10), Fraction(100)]))
    assert Fraction(found) == 1 + 40 + 900


def test_a_kink_has_no_derivative() -> None:
    with pytest.raises(ValueError, match="not a number"):
        arbitrate(request("log(x)", "x", [{"x": Fraction(0)}], [Fraction(1)]))
