"""A circuit at a point, to many digits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy
from sympy import Float, Rational

from gradcli.errors import NotSupportedError
from gradcli.symbolic.derive.translate import FUNCTIONS as KNOWN
from gradcli.symbolic.prove import inverses
from gradcli.symbolic.prove.constants import meaning

Node = tuple[str | int, ...]
DIGITS = 100
# Two numbers that are no further apart, of their size, are one that was rounded.
NEAR = Float("1e-12", DIGITS)
# What is left of a sum that has no other digits than those that were rounded, of the size of its terms.
CANCELLED = Float("1e-90", DIGITS)
ATOMS = frozenset({"number", "pi", "infinity", "leaf", "nan", "unknown"})


class KinkError(Exception):
    """Two values that are compared are equal at the point: there may be no derivative."""


@lru_cache(maxsize=4096)
def number(text: str) -> Any:
    """Return what a constant stands for."""
    meant = meaning(text)
    base = sympy.S.One if meant.base is None else _irrational(meant.base)
    return (Rational(meant.factor.numerator, meant.factor.denominator) * base).evalf(DIGITS)


def _irrational(base: str) -> Any:
    names: Mapping[str, Any] = {
        "sqrt(2)": sympy.sqrt(2),
        "sqrt(3)": sympy.sqrt(3),
        "pi": sympy.pi,
        "sqrt(pi)": sympy.sqrt(sympy.pi),
        "sqrt(2*pi)": sympy.sqrt(2 * sympy.pi),
        "sqrt(2/pi)": sympy.sqrt(2 / sympy.pi),
        "log(2)": sympy.log(2),
        "log(10)": sympy.log(10),
    }
    return 1 / names[base.removeprefix("1/")] if base.startswith("1/") else names[base]


# What sympy itself computes, and what circuits have beside that.
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **KNOWN,
    "sum": lambda *terms: sum(terms, sympy.S.Zero),
    "detach": lambda a: a,
    "polygamma": lambda n, a: sympy.polygamma(int(n), a),
    "besselj": lambda n, a: sympy.besselj(int(n), a),
    "besseli": lambda n, a: sympy.besseli(int(n), a),
    "inverse": inverses.number,
    "amax": lambda *row: max(row),
    "amin": lambda *row: min(row),
    "logical_and": lambda *truths: sympy.Integer(all(truths)),
    "logical_or": lambda *truths: sympy.Integer(any(truths)),
    "logical_not": lambda truth: sympy.Integer(not truth),
}
RELATIONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a - b == 0,
    "ne": lambda a, b: a - b != 0,
}


@lru_cache(maxsize=1 << 14)
def computed(name: str, *values: Any) -> Any:
    """Return a function's value, ValueError where it is infinite or not real: entries meet the same numbers."""
    found = FUNCTIONS[name](*values).evalf(DIGITS)
    if not (found.is_Float or found.is_Rational):
        raise ValueError
    return found


# Factors of a derivative that are 0 for what was not chosen.
CHOICES = frozenset({"where", "number", *RELATIONS})


class Zeros:
    """The nodes that are plainly 0, by `is_zero` of choices: what is beside such a factor need not be defined."""

    def __init__(self, nodes: Sequence[Node], is_zero: Callable[[int], bool]) -> None:
        self._nodes, self._is_zero = nodes, is_zero
        self._known: dict[int, bool] = {}

    def __contains__(self, place: int) -> bool:
        """Return whether a node is one, as a product with a choice that is not taken."""
        if place not in self._known:
            name, *operands = self._nodes[place]
            if name in {"mul", "sum"}:
                vanishes = any if name == "mul" else all
                self._known[place] = vanishes(int(operand) in self for operand in operands)
            else:
                self._known[place] = name in CHOICES and self._is_zero(place)
        return self._known[place]


class Point:
    """A circuit at a point: the values of the entries of leaves, by their nodes.

    A term of a `derivative` with a factor of 0 is 0 whatever else is in it: so is the derivative of a choice by what
    was not chosen. Floats know no such rule.
    """

    def __init__(
        self, nodes: Sequence[Node], leaves: Mapping[int, Fraction], *, kinks: bool = False, derivative: bool = False
    ) -> None:
        self.nodes = nodes
        self.leaves = leaves
        self.kinks = kinks
        self.derivative = derivative
        self._known: dict[int, Any] = {}
        self._zeros = Zeros(nodes, lambda place: bool(self.value(place) == 0))

    def value(self, place: int) -> Any:
        """Return a node's value; KinkError at a kink if asked for, ValueError outside of a domain."""
        if place not in self._known:
            self._known[place] = self._computed(place)
        return self._known[place]

    def _computed(self, place: int) -> Any:
        name, *operands = self.nodes[place]
        if name in ATOMS:
            return self._atom(place)
        if name == "where":
            return self.value(int(operands[1] if self.value(int(operands[0])) else operands[2]))
        if name in {"mul", "sum"} and self.derivative and place in self._zeros:
            return sympy.S.Zero
        values = [self.value(int(operand)) for operand in operands]
        if name in RELATIONS:
            return self._compared(str(name), *values)
        if name not in FUNCTIONS:
            msg = f"{name} has no numbers"
            raise NotSupportedError(msg)
        found = computed(str(name), *values)
        if name == "sum" and abs(found) <= CANCELLED * max(map(abs, values), default=0):
            return sympy.S.Zero
        return found

    def _compared(self, name: str, one: Any, other: Any) -> Any:
        finite = one.is_finite and other.is_finite
        if self.kinks and finite and abs(one - other) <= NEAR * max(abs(one), abs(other)):
            raise KinkError
        return sympy.Integer(bool(RELATIONS[name](one, other)))

    def _atom(self, place: int) -> Any:
        name, *text = self.nodes[place]
        match name:
            case "number":
                return number(str(text[0]))
            case "pi":
                return sympy.pi.evalf(DIGITS)
            case "infinity":
                return int(str(text[0])) * sympy.oo
            case "leaf":
                value = self.leaves[place]
                return Rational(value.numerator, value.denominator).evalf(DIGITS)
        raise ValueError  # not a number


def lacks_value(nodes: Sequence[Node], places: Sequence[int], leaves: Mapping[int, Fraction]) -> bool:
    """Return whether one of some nodes has no real value at a point."""
    here = Point(nodes, leaves)
    try:
        for place in places:
            here.value(place)
    except (ArithmeticError, ValueError, TypeError):
        return True
    return False
