"""Where a program itself jumps: by comparisons that it does not join continuously, and where it rounds down or up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import sympy

from gradcli.errors import NotSupportedError
from gradcli.symbolic.prove.gradient import ATOMS
from gradcli.symbolic.prove.numbers import RELATIONS, Point

Node = tuple[str | int, ...]
ORDERS = frozenset({"lt", "le", "gt", "ge"})
STAIRS = frozenset({"floor", "ceil"})
MAY_JUMP = STAIRS | RELATIONS.keys()
# From a boundary to points beside it: a jump is as large at the second.
NEXT, NEARER = Fraction(1, 10**22), Fraction(1, 10**44)
# PyTorch's thresholds, and those of series, are set where a difference is lost in float32.
NEGLIGIBLE = 2.0**-23
LASTS = 2
# To find where something is an integer: halves of an interval.
HALVES = 200
SAME = Fraction(1, 10**80)


@dataclass(frozen=True)
class Jumps:
    """The jumps of a circuit's outputs by one entry of a leaf; without slots, to keep what may jump."""

    nodes: Sequence[Node]
    own: Sequence[int]
    """The outputs that depend on the entry."""
    leaf: int

    @cached_property
    def comparisons(self) -> list[int]:
        """Return the comparisons that the outputs may jump by."""
        return [place for place in self._suspects if self.nodes[place][0] in RELATIONS]

    @cached_property
    def stairs(self) -> list[int]:
        """Return the nodes that round down or up on the way to the outputs."""
        return [place for place in self._suspects if self.nodes[place][0] in STAIRS]

    def at(self, point: Mapping[int, Fraction]) -> bool:
        """Return whether an output jumps at a point."""
        near, nearer = (self._changes(point, step) for step in (NEXT, NEARER))
        return any(
            later > 0 and later * LASTS >= change and later > NEGLIGIBLE * size
            for (change, size), (later, _) in zip(near, nearer, strict=False)
        )

    def at_integers(self, place: int, point: Mapping[int, Fraction]) -> bool:
        """Return whether an output jumps where what a node rounds is an integer: at one of these next to a point."""
        operand = int(self.nodes[place][1])
        found = self._crossing(operand, point)
        return found is not None and self.at(found)

    @cached_property
    def _suspects(self) -> list[int]:
        """Return the comparisons and stairs that depend on the entry, but for those of the larger of two values."""
        found, seen, waiting = list[int](), set[int](), list(self.own)
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            if self.nodes[place][0] in MAY_JUMP and place in self._dependent:
                found.append(place)
            waiting += self._operands(place)
        return found

    def _operands(self, place: int) -> list[int]:
        name, *operands = self.nodes[place]
        if name in ATOMS:
            return []
        places = [int(operand) for operand in operands]
        return places[1:] if name == "where" and self._is_joined(*places) else places

    def _is_joined(self, test: int, then: int, otherwise: int) -> bool:
        """Return whether a choice is that of the larger or smaller of two values: where it changes, they are equal."""
        name, *compared = self.nodes[test]
        return name in ORDERS and {then, otherwise} == {int(operand) for operand in compared}

    @cached_property
    def _dependent(self) -> set[int]:
        """Return the nodes whose values depend on the entry, be it that no gradient passes."""
        found = {self.leaf}
        for place in sorted(reached(self.nodes, self.own)):  # operands come first
            name, *operands = self.nodes[place]
            if name not in ATOMS and not found.isdisjoint(map(int, operands)):
                found.add(place)
        return found

    def _changes(self, point: Mapping[int, Fraction], step: Fraction) -> Iterator[tuple[Any, Any]]:
        """Yield how far each output moves to the two sides of a point at most, and its size there."""
        values = [self._values({**point, self.leaf: point[self.leaf] + side * step}) for side in (-1, 0, 1)]
        for below, here, above in zip(*values, strict=True):
            if None not in {below, here, above}:
                yield max(abs(here - below), abs(above - here)), max(map(abs, (below, here, above)))

    def _values(self, point: Mapping[int, Fraction]) -> list[Any]:
        here = Point(self.nodes, point)
        return [_number(here, output) for output in self.own]

    def _crossing(self, operand: int, point: Mapping[int, Fraction]) -> dict[int, Fraction] | None:
        """Return the nearest point above one, by the entry, at which a node is an integer; None if it is not near."""
        start = point[self.leaf]

        def value(at: Fraction) -> Any:
            return _number(Point(self.nodes, {**point, self.leaf: at}), operand)

        first, last = value(start), value(start + 1)
        if first is None or last is None or first == last:
            return None
        whole = Fraction(int(sympy.floor(first)) + (1 if last > first else 0))
        straight = start + (whole - _fraction(first)) / (_fraction(last) - _fraction(first))
        reached = value(straight)
        if reached is not None and abs(_fraction(reached) - whole) < SAME:
            return {**point, self.leaf: straight}
        low, high = (start, start + 1) if last > first else (start + 1, start)
        if not (value(low) < whole <= value(high)):
            return None
        for _ in range(HALVES):
            middle = (low + high) / 2
            reached = value(middle)
            if reached is None:
                return None
            low, high = (middle, high) if reached < whole else (low, middle)
        return {**point, self.leaf: high}


def reached(nodes: Sequence[Node], places: Sequence[int]) -> set[int]:
    """Return some nodes and all that they are computed from."""
    found, waiting = set[int](), list(places)
    while waiting:
        place = waiting.pop()
        if place not in found:
            found.add(place)
            name, *operands = nodes[place]
            waiting += [] if name in ATOMS else [int(operand) for operand in operands]
    return found


def by_leaves(nodes: Sequence[Node], outputs: Sequence[int]) -> dict[int, list[int]]:
    """Return the outputs that depend on each leaf."""
    found: dict[int, list[int]] = {}
    for output in dict.fromkeys(outputs):
        for place in reached(nodes, [output]):
            if nodes[place][0] == "leaf":
                found.setdefault(place, []).append(output)
    return found


def _number(here: Point, place: int) -> Any:
    try:
        return here.value(place)
    except (ArithmeticError, ValueError, TypeError, NotSupportedError):
        return None


def _fraction(value: Any) -> Fraction:
    return Fraction(int(value.p), int(value.q)) if value.is_Rational else Fraction(str(value))
