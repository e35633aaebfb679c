"""Exact arithmetic: identities between values of functions hold, and no others do."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import pytest

from gradcli.symbolic.prove.cells import Interval, definite, form_of, roots
from gradcli.symbolic.prove.comparisons import as_powers
from gradcli.symbolic.prove.constants import meaning
from gradcli.symbolic.prove.functions import FUNCTIONS
from gradcli.symbolic.prove.polynomials import Quotient, UndefinedError
from gradcli.symbolic.prove.unknowns import Unknowns


def two() -> tuple[Unknowns, Quotient, Quotient]:
    unknowns = Unknowns()
    return unknowns, *(Quotient.variable(unknowns.new(name, positive=True)) for name in "xy")


def number(value: int) -> Quotient:
    return Quotient.number(value)


def test_quotients() -> None:
    unknowns, x, y = two()
    assert unknowns.is_zero((x * x - y * y) / (x - y) - x - y)
    assert unknowns.is_zero(number(1) / x + number(1) / y - (x + y) / (x * y))
    assert not unknowns.is_zero(number(1) / x + number(1) / y - number(1) / (x + y))
    with pytest.raises(UndefinedError):
        (x - x).inverse()


def test_exponentials_and_logarithms() -> None:
    unknowns, x, y = two()
    exp, log = unknowns.exponential, unknowns.logarithm
    assert unknowns.is_zero(exp(x + y) - exp(x) * exp(y))
    assert unknowns.is_zero(exp(log(x).scaled(Fraction(3, 2))) - unknowns.power(x, Fraction(3, 2)))
    assert unknowns.is_zero(log(x * x * y) - log(x).scaled(2) - log(y))
    assert unknowns.is_zero(log(number(12)) - log(number(3)) - log(number(2)).scaled(2))
    assert unknowns.is_zero(log(number(1) + exp(x.scaled(-1))) - log(number(1) + exp(x)) + x)
    assert not unknowns.is_zero(exp(x) * exp(y) - exp(x * y))
    assert not unknowns.is_zero(log(x + y) - log(x) - log(y))


def test_roots_and_circles() -> None:
    unknowns, x, y = two()
    half = Fraction(1, 2)
    root = unknowns.power(x + y, half)
    assert unknowns.is_zero(root * root - x - y)
    assert unknowns.is_zero(number(1) / root - root / (x + y))
    assert unknowns.is_zero(unknowns.power(number(8), half) - unknowns.power(number(2), half).scaled(2))
    assert unknowns.is_zero(unknowns.sine(x) ** 2 + unknowns.cosine(x) ** 2 - number(1))
    assert not unknowns.is_zero(unknowns.sine(x) - unknowns.cosine(x))


def test_the_root_of_a_square_is_not_what_was_squared() -> None:
    unknowns = Unknowns()
    z = Quotient.variable(unknowns.new("z"))  # of either sign
    assert not unknowns.is_zero(unknowns.power(z * z, Fraction(1, 2)) - z)


def test_odd_functions() -> None:
    unknowns, x, _ = two()
    assert unknowns.is_zero(unknowns.value("erf", x) + unknowns.value("erf", x.scaled(-1)))
    assert not unknowns.is_zero(unknowns.value("lgamma", x) + unknowns.value("lgamma", x.scaled(-1)))


@pytest.mark.parametrize("name", ["besselj", "besseli"])
def test_bessel_functions_by_those_of_the_orders_0_and_1(name: str) -> None:
    unknowns, x, _ = two()
    at = mpmath.mpf("1.75")
    values = [at, None, *(getattr(mpmath, name)(order, at) for order in (0, 1))]
    for order in range(6):
        found = FUNCTIONS[name](unknowns, number(order), x)
        terms = [(mpmath.fprod(values[v] ** int(e) for v, e in m), c) for m, c in found.above.items()]
        total = mpmath.fsum(term * c.numerator / c.denominator for term, c in terms)
        assert not found.below
        assert mpmath.almosteq(total, getattr(mpmath, name)(order, at), 1e-10)
    assert [FUNCTIONS[name](unknowns, number(n), number(0)).constant for n in (0, 1, 2)] == [1, 0, 0]


def test_functions_at_0() -> None:
    unknowns, x, _ = two()
    assert [unknowns.value(name, x - x).constant for name in ("erf", "atan", "i0", "bessel_j1")] == [0, 0, 1, 0]
    assert unknowns.value("lgamma", x - x).constant is None


def test_the_root_of_the_square_of_a_negative_number() -> None:
    unknowns = Unknowns()
    z = unknowns.new("z")
    unknowns.negative.add(z)
    own = Quotient.variable(z)
    assert unknowns.is_zero(unknowns.power(own**2, Fraction(1, 2)) + own)
    assert unknowns.is_zero(unknowns.power(own**4, Fraction(1, 2)) - own**2)
    assert unknowns.is_zero(unknowns.power(own**2, Fraction(3, 2)) + own**3)


def test_a_multiple_of_a_root_beside_a_number_has_the_sign_of_their_powers() -> None:
    unknowns, x, y = two()
    root = unknowns.power(x + y, Fraction(1, 2)).scaled(3)
    for difference, squares in ((root - number(6), (x + y).scaled(9) - number(36)), (number(6) - root, None)):
        found = as_powers(unknowns, difference)
        assert found is not None
        assert unknowns.is_zero(found - (squares or number(36) - (x + y).scaled(9)))
    assert as_powers(unknowns, root + number(6)) is None
    assert as_powers(unknowns, x - number(6)) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0.5", "1/2"),
        ("0.3333333333333333", "1/3"),
        ("0.3989422804014327", "1/2*sqrt(2/pi)"),
        ("0.044715", "8943/200000"),
        ("3.141592653589793", "pi"),
        ("1.4426950408889634", "1/log(2)"),
        ("0.1666666716337204", "1/6"),
        ("2.5066282746310002", "sqrt(2*pi)"),
        ("2.220446049250313e-16", "1/4503599627370496"),
        ("1e-08", "1/100000000"),
    ],
)
def test_constants(text: str, meant: str) -> None:
    assert meaning(text).text == meant
    assert meaning(text).relative < 1e-7


def test_a_constant_that_is_near_another_is_not_that() -> None:
    assert meaning("0.70710678118").base is None
    assert meaning("3.1415926").base is None


def test_roots_of_a_polynomial() -> None:
    unknowns = Unknowns()
    x = Quotient.variable(unknowns.new("x"))
    assert roots(x * x - number(4), Interval()) == [-2, 2]
    assert roots(x * x - number(4), Interval(Fraction(0))) == [2]
    assert roots(x * x + number(4), Interval()) == []
    assert roots(x * x - number(2), Interval()) is None
    assert roots(x * x - number(2), Interval(Fraction(2))) == []


def test_quadratic_forms() -> None:
    unknowns = Unknowns()
    x, y = (Quotient.variable(unknowns.new(name)) for name in "xy")
    forms = (x * x - x * y + y * y, (x - y) ** 2, x * x - x * y.scaled(3) + y * y, (x * x + y * y).scaled(-1), x + y)
    signs = [definite(tuple((m, c * number_of) for m, c in form)) for form, number_of, _ in map(form_of, forms)]
    assert signs == [1, 1, 0, -1, 0]


def test_a_sum_is_0_with_a_common_denominator_or_without() -> None:
    unknowns = Unknowns()
    x, y = (Quotient.variable(unknowns.new(name)) for name in "xy")
    one = Quotient.number(1)
    first, second = (one + x).inverse(), (one + y * y).inverse()
    assert unknowns.is_zero_sum([x * first, y * second, (x * first).scaled(-1), (y * second).scaled(-1)])
    assert unknowns.is_zero_sum([first, x * first, one.scaled(-1)])
    assert not unknowns.is_zero_sum([first, x * second, one.scaled(-1)])
    assert not unknowns.is_zero_sum([x * first, y * second, (x * first).scaled(-1)])
    assert unknowns.is_zero_sum([])
