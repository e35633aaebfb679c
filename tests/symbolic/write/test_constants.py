"""Decimals that are multiples of constants: what Python computes of the constants says which they are."""

from __future__ import annotations

import math

import pytest
import sympy
from sympy import Rational, pi, sqrt

from gradcli.symbolic.write.constants import with_constants

x = sympy.Symbol("x", positive=True)


@pytest.mark.parametrize(
    ("value", "constant"),
    [
        (2 * math.pi, 2 * pi),
        (-4 * math.pi, -4 * pi),
        (math.pi / 3, pi / 3),
        (1 / (2 * math.pi), 1 / (2 * pi)),
        (math.pi**2, pi**2),
        (math.sqrt(2 * math.pi), sqrt(2 * pi)),
        (1 / math.sqrt(math.pi), 1 / sqrt(pi)),
        (math.log(2), sympy.log(2)),
        (3 / math.log(10), 3 / sympy.log(10)),
        (math.e, sympy.E),
    ],
)
def test_a_decimal_is_the_constant_that_it_was_computed_from(value: float, constant: sympy.Expr) -> None:
    decimal = Rational(repr(value))
    assert with_constants(decimal) == constant
    assert with_constants(sympy.exp(decimal * x)) == sympy.exp(constant * x)


@pytest.mark.parametrize("value", [0.1, 1.5707963, 3.14159265, 6.2831853071796, 1e-6, 0.3989422804, 0.9189385332])
def test_a_decimal_of_fewer_digits_stays_as_it_is_written(value: float) -> None:
    decimal = Rational(repr(value))
    assert with_constants(decimal * x) == decimal * x


def test_a_root_of_four_pi_comes_apart_as_one_of_pi() -> None:
    decimal = Rational(repr(4 * math.pi))
    assert sympy.sqrt(with_constants(decimal * x)) == 2 * sqrt(pi) * sqrt(x)
