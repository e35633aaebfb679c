"""Constants that are roundings: 0.7071067811865476 stands for √2/2, and 0.1666666716337204 for 1/6 in float32."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from gradcli.symbolic.prove.polynomials import Quotient
from gradcli.symbolic.prove.unknowns import Unknowns

# A fraction whose nearest double a constant is, is what was meant.
LARGEST_DENOMINATOR = 100_000
# Multiples of an irrational number, and fractions in float32, have small numerators and denominators.
SMALL, SMALLER, DEGREES = 1000, 64, 360
DOUBLE, SINGLE = 4 * 2.0**-53, 2.0**-24
IRRATIONAL: Mapping[str, float] = {
    "sqrt(2)": math.sqrt(2),
    "pi": math.pi,
    "sqrt(pi)": math.sqrt(math.pi),
    "1/sqrt(pi)": 1 / math.sqrt(math.pi),
    "sqrt(2/pi)": math.sqrt(2 / math.pi),
    "sqrt(2*pi)": math.sqrt(2 * math.pi),
    "1/pi": 1 / math.pi,
    "log(2)": math.log(2),
    "1/log(2)": 1 / math.log(2),
    "1/log(10)": 1 / math.log(10),
    "log(10)": math.log(10),
    "sqrt(3)": math.sqrt(3),
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """A multiple of an irrational number, or of 1; `relative` is how far the constant is from it."""

    factor: Fraction
    base: str | None
    relative: float

    @property
    def text(self) -> str:
        """Return it in words."""
        if self.base is None:
            return str(self.factor)
        return self.base if self.factor == 1 else f"{self.factor}*{self.base}"


@lru_cache(maxsize=4096)
def meaning(text: str) -> Meaning:
    """Return what a constant stands for: itself, unless it is the rounding of a simpler number."""
    if "/" in text or text.lstrip("-").isdigit():
        return Meaning(Fraction(text), None, 0.0)
    value = float(text)
    near = Fraction(value).limit_denominator(LARGEST_DENOMINATOR)
    if float(near) == value:
        return Meaning(near, None, 0.0)
    if abs(Fraction(value).numerator) <= SMALL:  # a power of 2, as the distance to the next number is
        return Meaning(Fraction(value), None, 0.0)
    return next(_simpler(value), Meaning(Fraction(text), None, 0.0))


def _simpler(value: float) -> Iterator[Meaning]:
    """Yield simpler numbers that a constant is a rounding of: in double precision first."""
    for base, number in IRRATIONAL.items():
        near = Fraction(value / number).limit_denominator(DEGREES)
        error = _error(float(near) * number, value)
        if near and abs(near.numerator) <= SMALL and error <= DOUBLE:
            yield Meaning(near, base, error)
    if struct.unpack("f", struct.pack("f", value))[0] != value:
        return
    for base, number in (("", 1.0), *IRRATIONAL.items()):
        near = Fraction(value / number).limit_denominator(SMALLER)
        error = _error(float(near) * number, value)
        if near and abs(near.numerator) <= SMALLER and error <= SINGLE:
            yield Meaning(near, base or None, error)


def _error(found: float, value: float) -> float:
    return abs(found / value - 1)


def as_quotient(meant: Meaning, unknowns: Unknowns) -> Quotient:
    """Return the number that a constant stands for in exact arithmetic."""
    found = Quotient.number(meant.factor)
    return found if meant.base is None else found * _irrational(meant.base, unknowns)


def _irrational(base: str, unknowns: Unknowns) -> Quotient:
    pi, half = circle_number(unknowns), Fraction(1, 2)
    number = Quotient.number
    match base:
        case "pi":
            return pi
        case "1/pi":
            return pi.inverse()
        case "sqrt(pi)":
            return unknowns.power(pi, half)
        case "1/sqrt(pi)":
            return unknowns.power(pi, -half)
        case "sqrt(2*pi)":
            return unknowns.power(number(2) * pi, half)
        case "sqrt(2/pi)":
            return unknowns.power(number(2) / pi, half)
        case "log(2)" | "1/log(2)" | "log(10)" | "1/log(10)":
            found = unknowns.logarithm(number(10 if "10" in base else 2))
            return found.inverse() if base.startswith("1/") else found
    return unknowns.power(number(int(base[5:-1])), half)


def circle_number(unknowns: Unknowns) -> Quotient:
    """Return pi."""
    found = unknowns.value("pi")
    (monomial,) = found.above
    unknowns.positive.add(monomial[0][0])
    return found
