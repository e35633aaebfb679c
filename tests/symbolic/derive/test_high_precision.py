"""Derivatives to 50 digits, against mpmath's own at a higher precision."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import pytest

from gradcli.derivation.messages import Arbitration
from gradcli.symbolic.derive.high_precision import arbitrate

X, Y = Fraction(0.3), Fraction(-1.75)


def request(
    formula: str, wrt: str | None, points: list[dict[str, Fraction]], cotangents: list[Fraction]
) -> Arbitration:
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
        found = arbitrate(request(formula, wrt, [names], [Fraction(2)])).text
        assert abs(mpmath.mpf(found) - right) <= mpmath.mpf(10) ** -45 * abs(right)


def test_a_value_is_exact_where_it_is_a_fraction_and_else_has_fifty_digits_however_small() -> None:
    tiny = Fraction(1e-250)
    power = Arbitration("x**2 + 1 - 1", (), None, ((("x", str(tiny)),),), ("1",))
    assert Fraction(arbitrate(power).text) == tiny**2
    root = Arbitration("sqrt(x)**5", (), None, ((("x", str(tiny)),),), ("1",))
    with mpmath.workdps(80):
        right = mpmath.sqrt(mpmath.mpf(1e-250)) ** 5
        assert abs(mpmath.mpf(arbitrate(root).text) - right) <= mpmath.mpf(10) ** -45 * right


def test_the_terms_of_an_operand_that_is_broadcast_add_up() -> None:
    points = [{"x": Fraction(k), "y": Y} for k in (1, 2, 3)]
    found = arbitrate(request("x**2*y", "y", points, [Fraction(1), Fraction(10), Fraction(100)])).text
    assert Fraction(found) == 1 + 40 + 900


NOT_FINITE: list[tuple[str, str, dict[str, Fraction]]] = [
    ("log(x)", "x", {"x": Fraction(0)}),
    ("sqrt(x)", "x", {"x": Fraction(0)}),
    ("acos(x)", "x", {"x": Fraction(1)}),
    ("erfinv(x)", "x", {"x": Fraction(1)}),
]
UNDEFINED: list[tuple[str, str, dict[str, Fraction]]] = [
    ("sqrt(x)", "x", {"x": Fraction(-1)}),
    ("x/y", "y", {"x": Fraction(0), "y": Fraction(0)}),
    ("atan2(x, y)", "y", {"x": Fraction(0), "y": Fraction(0)}),
    ("x**y", "x", {"x": Fraction(0), "y": Fraction(0)}),
]


@pytest.mark.parametrize(("formula", "wrt", "point"), NOT_FINITE)
def test_an_infinite_derivative_is_an_answer_unless_nothing_arrives(
    formula: str, wrt: str, point: dict[str, Fraction]
) -> None:
    assert arbitrate(request(formula, wrt, [point], [Fraction(1)])).extent == "infinite"
    with pytest.raises(ValueError, match="not a number"):
        arbitrate(request(formula, wrt, [point], [Fraction(0)]))


@pytest.mark.parametrize("cotangent", [Fraction(0), Fraction(1)])
@pytest.mark.parametrize(("formula", "wrt", "point"), UNDEFINED)
def test_where_there_is_no_derivative_there_is_no_answer(
    formula: str, wrt: str, point: dict[str, Fraction], cotangent: Fraction
) -> None:
    with pytest.raises(ValueError, match="not a number"):
        arbitrate(request(formula, wrt, [point], [cotangent]))


@pytest.mark.parametrize("formula", ["abs(x)", "relu(x)", "where(x > 0, x**2, x)", "maximum(x, 2*x)"])
def test_a_kink_has_no_derivative(formula: str) -> None:
    with pytest.raises(ValueError, match="kink"):
        arbitrate(request(formula, "x", [{"x": Fraction(0)}], [Fraction(1)]))


@pytest.mark.parametrize("formula", ["where(x > 0, x**2, -x**2)", "sinc(x)"])
def test_a_condition_that_changes_where_the_derivative_does_not_is_no_kink(formula: str) -> None:
    assert float(arbitrate(request(formula, "x", [{"x": Fraction(0)}], [Fraction(1)])).text) == 0


def test_a_branch_for_one_point_is_not_differentiated_alone() -> None:
    """The slope is 1/2 to both sides; that of the branch, a constant, is 0."""
    with pytest.raises(ValueError, match="kink"):
        arbitrate(request("where(x == 0, 1, (exp(x) - 1)/x)", "x", [{"x": Fraction(0)}], [Fraction(1)]))


@pytest.mark.parametrize(("exponent", "shown"), [(1000, "1.970e+434"), (10**300, "a number of many digits")])
def test_what_no_float_holds_is_told_from_infinity(exponent: int, shown: str) -> None:
    """e^1000 is 1.970e434."""
    found = arbitrate(request("exp(x)", "x", [{"x": Fraction(exponent)}], [Fraction(1)]))
    assert (found.extent, found.text) == ("too large", shown)
    assert arbitrate(request("exp(x)", "x", [{"x": Fraction(-exponent)}], [Fraction(1)])).text == "0"


def test_digits_that_cancel_are_made_up_for() -> None:
    """The derivative of (exp(x) - 1 - x)/x**2 is 1/6 + x/12 + ... near 0: 200 digits cancel at 1e-100."""
    found = arbitrate(request("(exp(x) - 1 - x)/x**2", "x", [{"x": Fraction(1, 10**100)}], [Fraction(1)]))
    assert abs(Fraction(found.text) - Fraction(1, 6)) < Fraction(1, 10**48)


@pytest.mark.parametrize(("formula", "sign"), [("exp(x)", 1), ("-exp(x)", -1)])
def test_a_value_has_a_sign_however_small_it_is(formula: str, sign: int) -> None:
    """No text holds the digits of exp(-1e160) as a fraction: its exponent has 160 of its own."""
    found = arbitrate(request(formula, None, [{"x": Fraction(-(10**160))}], [Fraction(1)]))
    assert len(found.text) < 10_000
    assert 0 < sign * Fraction(found.text) < Fraction(1, 10**3999)
