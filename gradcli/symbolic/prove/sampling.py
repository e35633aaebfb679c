"""Points of cells, and cells in words."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from gradcli.symbolic.prove.cells import Cell, Interval, Root, entry, variables_of
from gradcli.symbolic.prove.numbers import KinkError, Point, lacks_value
from gradcli.symbolic.prove.polynomials import Factor
from gradcli.symbolic.prove.text import written

Node = tuple[str | int, ...]
SAMPLES, TRIES = 12, 200
MOST_CONSTANTS = 8
EVERYWHERE = "everywhere"
# Differences of numbers of many digits that are none.
SAME = 1e-28


class Sampler:
    """Points of the cells of one circuit."""

    def __init__(self, nodes: Sequence[Node], domains: Mapping[int, Interval], outputs: Sequence[int]) -> None:
        self.nodes = nodes
        self.outputs = outputs
        self.leaves = [place for place, node in enumerate(nodes) if node[0] == "leaf"]
        self.domains = domains
        self.start = {entry(self.leaves.index(leaf)): within for leaf, within in domains.items()}
        self.random = random.Random(0)  # noqa: S311 (points, and no secrets)

    def error(self, point: Mapping[int, Fraction], traced: int, derived: int) -> float | None:
        """Return how far the two are apart at a point, relative to the larger; None where there is no derivative."""
        if lacks_value(self.nodes, self.outputs, point):
            return None
        try:
            wanted = Point(self.nodes, point, derivative=True).value(derived)
        except (ArithmeticError, ValueError, TypeError):
            return None
        try:
            found = Point(self.nodes, point).value(traced)
        except (ArithmeticError, ValueError, TypeError):
            return float("inf")
        largest = max(abs(found), abs(wanted))
        return float(abs(found - wanted) / largest) if largest else 0.0

    def is_at_a_kink(self, point: Mapping[int, Fraction], derived: int) -> bool:
        """Return whether values that the derivative compares are equal at a point: there may be several."""
        try:
            Point(self.nodes, point, kinks=True, derivative=True).value(derived)
        except KinkError:
            return True
        except (ArithmeticError, ValueError, TypeError):
            return False
        return False

    def samples(self, cell: Cell) -> Iterator[dict[int, Fraction]]:
        """Yield points of an open cell: numbers that float64 holds, near its ends too."""
        count = 0
        for attempt in range(TRIES):
            drawn = [self.drawn(cell.interval(entry(v)), attempt) for v in range(len(self.leaves))]
            self._scale(drawn, cell, attempt)
            if not all(within.inside(at(form, drawn)) for form, within in cell.intervals.items()):
                continue
            point = dict(zip(self.leaves, drawn, strict=True))
            if all(self.has_sign(point, pair, sign) for pair, sign in cell.signs.items()):
                yield point
                count += 1
            if count == SAMPLES:
                return

    def _scale(self, numbers: list[Fraction], cell: Cell, attempt: int) -> None:
        """Move the entries of a homogeneous polynomial, such as a square of a norm, to where it is in its interval."""
        for form, within in cell.intervals.items():
            value, degrees = at(form, numbers), {sum(e for _, e in monomial) for monomial, _ in form}
            wanted = value if within.inside(value) else self.drawn(within, attempt)
            if wanted * value <= 0 or wanted == value or len(degrees) != 1:
                continue
            factor = float(wanted / value) ** (1 / int(degrees.pop()))
            for variable in variables_of(form):
                numbers[variable] = Fraction(float(numbers[variable]) * factor)

    def drawn(self, within: Interval, attempt: int) -> Fraction:
        """Return a random number of an interval that float64 holds."""
        part = Fraction(self.random.randint(1, 255), 256)
        if attempt % 4 == 1:
            part = Fraction(1, 1 << self.random.randint(4, 16))
        elif attempt % 4 == 3:  # noqa: PLR2004 (near the other end)
            part = 1 - Fraction(1, 1 << self.random.randint(4, 16))
        return Fraction(float(within.sample(part)))

    def has_sign(self, point: Mapping[int, Fraction], pair: tuple[int, int], sign: int) -> bool:
        """Return whether a difference has a sign at a point: 1 or -1."""
        place = Point(self.nodes, point)
        try:
            difference = place.value(pair[0]) - place.value(pair[1])
        except (ArithmeticError, ValueError, TypeError):
            return False
        return bool(difference * sign > 0)

    def holds(self, point: Mapping[int, Fraction], pair: tuple[int, int], sign: int) -> bool:
        """Return the same, or whether it is 0."""
        place = Point(self.nodes, point)
        try:
            difference = place.value(pair[0]) - place.value(pair[1])
        except (ArithmeticError, ValueError, TypeError):
            return False
        return abs(difference) < SAME if sign == 0 else bool(difference * sign > 0)

    def point(self, cell: Cell) -> tuple[tuple[int, float], ...] | None:
        """Return a point of a boundary, in numbers that float64 holds."""
        if cell.is_implicit:
            return None
        for point in self.samples(replace(cell, points={}, solved={})):
            numbers = self.with_solutions(cell, list(point.values()))
            exact = all(Fraction(float(value)) == value for value in numbers)
            inside = all(within.inside(at(form, numbers)) for form, within in cell.intervals.items())
            if exact and inside and all(at(form, numbers) == number for form, number in cell.points.items()):
                return tuple((leaf, float(value)) for leaf, value in zip(self.leaves, numbers, strict=True))
        return None

    def candidates(self, cell: Cell) -> Iterator[list[Fraction]]:
        """Yield numbers that may lie where an equation holds.

        They are small integers, or constants of the circuit in one entry or in all of one leaf.
        """
        for number in (0, 1, -1, 2):
            yield self.with_solutions(cell, [Fraction(number)] * len(self.leaves))
        constants = [Fraction(str(node[1])) for node in self.nodes if node[0] == "number"]
        constants = [value for value in dict.fromkeys(constants) if value][:MOST_CONSTANTS]
        names = [str(self.nodes[leaf][1]) for leaf in self.leaves]
        for part in dict.fromkeys((*names, *(name.partition("[")[0] for name in names))):
            chosen = [part in {name, name.partition("[")[0]} for name in names]
            for value in constants:
                yield self.with_solutions(cell, [value * is_chosen for is_chosen in chosen])

    @staticmethod
    def with_solutions(cell: Cell, numbers: list[Fraction]) -> list[Fraction]:
        """Return values of the entries, with those that are solved for in the place of their own."""
        for _ in cell.solved:
            for variable, value in cell.solved.items():
                numbers[variable] = value.near if isinstance(value, Root) else at(tuple(value.above.items()), numbers)
        return numbers

    def where(self, cell: Cell) -> str:
        """Return a cell in words."""
        parts = [f"{self._form(form)} = {_short(value)}" for form, value in cell.points.items()]
        for form, interval in cell.intervals.items():
            if interval != self.start.get(form, Interval()):
                parts.append(_between(self._form(form), interval))
        for (one, other), sign in cell.signs.items():
            relation = {1: ">", -1: "<", 0: "="}[sign]
            parts.append(f"{written(self.nodes, one)} {relation} {written(self.nodes, other)}")
        return " and ".join(parts) or EVERYWHERE

    def _form(self, form: Factor) -> str:
        """Return a polynomial of entries as text."""
        terms = []
        for monomial, coefficient in form:
            factors = [str(self.nodes[self.leaves[v]][1]) + (f"**{e}" if e != 1 else "") for v, e in monomial]
            number = [] if abs(coefficient) == 1 else [_short(abs(coefficient))]
            terms.append(("- " if coefficient < 0 else "+ ") + "*".join([*number, *factors]))
        return " ".join(terms).removeprefix("+ ")


def at(form: Factor, numbers: Sequence[Fraction]) -> Fraction:
    """Return a polynomial's value."""
    value = Fraction(0)
    for monomial, coefficient in form:
        for variable, exponent in monomial:
            coefficient *= numbers[variable] ** int(exponent)  # noqa: PLW2901 (the product so far)
        value += coefficient
    return value


def _between(name: str, interval: Interval) -> str:
    if interval.low is None:
        return name if interval.high is None else f"{name} < {_short(interval.high)}"
    if interval.high is None:
        return f"{name} > {_short(interval.low)}"
    return f"{_short(interval.low)} < {name} < {_short(interval.high)}"


def _short(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.12g}"
