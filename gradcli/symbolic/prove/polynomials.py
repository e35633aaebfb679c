"""Quotients of polynomials with rational coefficients, exact and without a common divisor taken out.

A monomial is a tuple of variables with their exponents: negative ones too, and fractions for variables that are
positive. A denominator is kept as a product of polynomials, so that sums over the same denominators stay small.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import sympy

Monomial: TypeAlias = "tuple[tuple[int, Fraction], ...]"
Polynomial: TypeAlias = "dict[Monomial, Fraction]"
Factor: TypeAlias = "tuple[tuple[Monomial, Fraction], ...]"

ONE: Monomial = ()
MOST_TERMS = 4000
LARGEST_POWER = 64
LARGEST_PRIME = 1 << 40


class TooLargeError(Exception):
    """An expression has more terms than are looked at."""


class UndefinedError(Exception):
    """Something is divided by 0, or is outside of a function's domain."""


def times(one: Monomial, other: Monomial) -> Monomial:
    """Return the product of two monomials."""
    if not one or not other:
        return one or other
    exponents = dict(one)
    for variable, exponent in other:
        total = exponents.get(variable, Fraction(0)) + exponent
        if total:
            exponents[variable] = total
        else:
            exponents.pop(variable, None)
    return tuple(sorted(exponents.items()))


def power(monomial: Monomial, exponent: Fraction) -> Monomial:
    """Return a power of a monomial."""
    return tuple((variable, own * exponent) for variable, own in monomial) if exponent else ONE


def added(one: Polynomial, other: Polynomial, factor: Fraction = Fraction(1)) -> Polynomial:
    """Return the sum of a polynomial and a multiple of another."""
    found = dict(one)
    for monomial, coefficient in other.items():
        total = found.get(monomial, Fraction(0)) + factor * coefficient
        if total:
            found[monomial] = total
        else:
            found.pop(monomial, None)
    return found


def multiplied(one: Polynomial, other: Polynomial) -> Polynomial:
    """Return the product of two polynomials; TooLargeError where it takes too long."""
    if len(one) * len(other) > 20 * MOST_TERMS:
        raise TooLargeError
    found: Polynomial = {}
    for left, first in one.items():
        for right, second in other.items():
            monomial = times(left, right)
            found[monomial] = found.get(monomial, Fraction(0)) + first * second
    found = {monomial: coefficient for monomial, coefficient in found.items() if coefficient}
    if len(found) > MOST_TERMS:
        raise TooLargeError
    return found


def common(polynomial: Polynomial) -> Monomial:
    """Return the largest monomial that divides every term."""
    first, *others = polynomial or {ONE: Fraction(0)}
    least = dict(first)
    for monomial in others:  # an exponent of 0 is not kept
        own = dict(monomial)
        below = {variable: exponent for variable, exponent in monomial if exponent < 0 and variable not in least}
        both = {v: min(exponent, own.get(v, Fraction(0))) for v, exponent in least.items()}
        least = below | {variable: exponent for variable, exponent in both.items() if exponent}
    return tuple(sorted(least.items()))


def leading(polynomial: Polynomial) -> Fraction:
    """Return the coefficient of the term that comes first in a fixed order."""
    return polynomial[min(polynomial)]


def monic(polynomial: Polynomial) -> tuple[Fraction, Monomial, Polynomial]:
    """Return a number, a monomial and a polynomial of which a polynomial is the product."""
    divisor, number = common(polynomial), leading(polynomial)
    inverse = power(divisor, Fraction(-1))
    return number, divisor, {times(m, inverse): c / number for m, c in polynomial.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Quotient:
    """A polynomial over a product of powers of polynomials."""

    above: Polynomial
    below: Mapping[Factor, int]

    @staticmethod
    def number(value: Fraction | int) -> Quotient:
        """Return a constant."""
        return Quotient({ONE: Fraction(value)} if value else {}, {})

    @staticmethod
    def variable(variable: int, exponent: Fraction | int = 1) -> Quotient:
        """Return a power of a variable."""
        return Quotient({((variable, Fraction(exponent)),): Fraction(1)} if exponent else {ONE: Fraction(1)}, {})

    @property
    def constant(self) -> Fraction | None:
        """Return the number that it is, if it is plainly one."""
        if self.below:
            return None
        return Fraction(0) if not self.above else self.above.get(ONE) if len(self.above) == 1 else None

    @property
    def variables(self) -> set[int]:
        """Return the variables that it is written with."""
        factors = [monomial for factor in self.below for monomial, _ in factor]
        return {variable for monomial in (*self.above, *factors) for variable, _ in monomial}

    def __add__(self, other: Quotient) -> Quotient:
        """Return a sum."""
        return self.plus(other, 1)

    def __sub__(self, other: Quotient) -> Quotient:
        """Return a difference."""
        return self.plus(other, -1)

    def plus(self, other: Quotient, factor: int) -> Quotient:
        """Return the sum with a multiple of another."""
        if not other.above:
            return self
        below = {f: max(self.below.get(f, 0), other.below.get(f, 0)) for f in {**self.below, **other.below}}
        above = added(_extended(self, below), _extended(other, below), Fraction(factor))
        return Quotient(above, below) if above else Quotient({}, {})

    def __mul__(self, other: Quotient) -> Quotient:
        """Return a product."""
        above = multiplied(self.above, other.above)
        below = dict(self.below)
        for factor, count in other.below.items():
            below[factor] = below.get(factor, 0) + count
        return Quotient(above, below) if above else Quotient({}, {})

    def scaled(self, value: Fraction | int) -> Quotient:
        """Return a multiple."""
        return Quotient({m: c * value for m, c in self.above.items()} if value else {}, self.below if value else {})

    def inverse(self) -> Quotient:
        """Return 1 over it."""
        if not self.above:
            raise UndefinedError
        number, divisor, rest = monic(self.above)
        above: Polynomial = {power(divisor, Fraction(-1)): 1 / number}
        for factor, count in self.below.items():
            for _ in range(count):
                above = multiplied(above, dict(factor))
        return Quotient(above, {} if len(rest) == 1 else {tuple(sorted(rest.items())): 1})

    def __truediv__(self, other: Quotient) -> Quotient:
        """Return a quotient."""
        return self * other.inverse()

    def __pow__(self, exponent: int) -> Quotient:
        """Return a whole power."""
        if abs(exponent) > LARGEST_POWER:
            raise TooLargeError
        base = self if exponent >= 0 else self.inverse()
        found = Quotient.number(1)
        for _ in range(abs(exponent)):
            found = found * base
        return found


def _extended(quotient: Quotient, below: Mapping[Factor, int]) -> Polynomial:
    """Return what is above over a larger denominator."""
    above = quotient.above
    for factor, count in below.items():
        for _ in range(count - quotient.below.get(factor, 0)):
            above = multiplied(above, dict(factor))
    return above


def total(terms: Iterable[Quotient]) -> Quotient:
    """Return the sum of several."""
    found = Quotient.number(0)
    for term in terms:
        found = found + term
    return found


def factored(number: int) -> list[tuple[int, int]]:
    """Return the primes of a number with their exponents; what is too large to be factored counts as one."""
    if number == 1:
        return []
    if number > LARGEST_PRIME:
        return [(number, 1)]
    return [(int(prime), int(count)) for prime, count in sympy.factorint(number).items()]
