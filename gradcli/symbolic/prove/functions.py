"""What the functions of a circuit come to in exact arithmetic, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

from gradcli.symbolic.prove import inverses
from gradcli.symbolic.prove.polynomials import Quotient, total
from gradcli.symbolic.prove.unknowns import Unknowns


def _power(unknowns: Unknowns, base: Quotient, exponent: Quotient) -> Quotient:
    number = exponent.constant
    if number is not None:
        return unknowns.power(base, number)
    return unknowns.exponential(exponent * unknowns.logarithm(base))


def _halves(unknowns: Unknowns, argument: Quotient, sign: int) -> Quotient:
    up = unknowns.exponential(argument)
    return (up + up.inverse().scaled(sign)).scaled(Fraction(1, 2))


def _tanh(unknowns: Unknowns, argument: Quotient) -> Quotient:
    square = unknowns.exponential(argument.scaled(2))
    return (square - Quotient.number(1)) / (square + Quotient.number(1))


def _bessel(name: str, sign: int) -> Callable[..., Quotient]:
    """Return J or I of a whole order, by those of the orders 0 and 1: Jₙ₋₁ + Jₙ₊₁ = 2n/x·Jₙ, Iₙ₋₁ - Iₙ₊₁ = 2n/x·Iₙ."""
    first = BESSEL[name]

    def value(unknowns: Unknowns, order: Quotient, argument: Quotient) -> Quotient:
        number = order.constant
        if number is None or number.denominator != 1 or not 0 <= number <= LARGEST_ORDER:
            return unknowns.value(name, order, argument)
        if not argument.above:
            return Quotient.number(int(number == 0))
        below, found = (unknowns.value(one, argument) for one in first)
        for n in range(1, int(number)):
            below, found = found, (found.scaled(2 * n) / argument - below).scaled(sign)
        return found if number else below

    return value


def _rounded(name: str, whole: Callable[[Fraction], int]) -> Callable[[Unknowns, Quotient], Quotient]:
    """Return what is rounded to a whole number: of a constant that number, and else an unknown."""

    def value(unknowns: Unknowns, argument: Quotient) -> Quotient:
        number = argument.constant
        return unknowns.value(name, argument) if number is None else Quotient.number(whole(number))

    return value


def _truth(value: Quotient) -> int:
    return int(bool(value.above))


# Bessel functions of the orders 0 and 1.
BESSEL: Mapping[str, tuple[str, str]] = {"besselj": ("bessel_j0", "bessel_j1"), "besseli": ("i0", "special.i1")}
LARGEST_ORDER = 8

FUNCTIONS: Mapping[str, Callable[..., Quotient]] = {
    "add": lambda _, a, b: a + b,
    "sub": lambda _, a, b: a - b,
    "mul": lambda _, a, b: a * b,
    "div": lambda _, a, b: a / b,
    "neg": lambda _, a: a.scaled(-1),
    "sum": lambda _, *terms: total(terms),
    "detach": lambda _, a: a,
    "pow": _power,
    "sqrt": lambda unknowns, a: unknowns.power(a, Fraction(1, 2)),
    "exp": lambda unknowns, a: unknowns.exponential(a),
    "log": lambda unknowns, a: unknowns.logarithm(a),
    "sin": lambda unknowns, a: unknowns.sine(a),
    "cos": lambda unknowns, a: unknowns.cosine(a),
    "tan": lambda unknowns, a: unknowns.sine(a) / unknowns.cosine(a),
    "sinh": lambda unknowns, a: _halves(unknowns, a, -1),
    "cosh": lambda unknowns, a: _halves(unknowns, a, 1),
    "tanh": _tanh,
    "erfc": lambda unknowns, a: Quotient.number(1) - unknowns.value("erf", a),
    "besselj": _bessel("besselj", 1),
    "besseli": _bessel("besseli", -1),
    "floor": _rounded("floor", math.floor),
    "ceil": _rounded("ceil", math.ceil),
    "digamma": lambda unknowns, a: unknowns.value("polygamma", Quotient.number(0), a),
    "inverse": inverses.entry,
    "logical_and": lambda _, *a: Quotient.number(int(all(map(_truth, a)))),
    "logical_or": lambda _, *a: Quotient.number(int(any(map(_truth, a)))),
    "logical_not": lambda _, a: Quotient.number(1 - _truth(a)),
}
# Functions of which nothing is used but that equal arguments have equal values.
OPAQUE: frozenset[str] = frozenset(
    """
    erf erfinv erfcinv lgamma polygamma i0 special.i1 bessel_j0 bessel_j1
    asin acos atan asinh acosh atanh amax amin
    """.split()  # noqa: SIM905 (a list of words is what it is)
)
