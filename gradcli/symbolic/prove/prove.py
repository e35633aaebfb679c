"""Whether PyTorch's backward is the derivative: the two as circuits, in every cell, in exact arithmetic."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from gradcli.derivation.proof import EntryVerdict, Proof, ProofRequest, ProvedEntry, Region, Rounded, Wanted
from gradcli.errors import NotSupportedError
from gradcli.symbolic.prove.cases import Cases
from gradcli.symbolic.prove.cells import Cell, Interval
from gradcli.symbolic.prove.constants import meaning
from gradcli.symbolic.prove.evaluation import DivisionError, Evaluation
from gradcli.symbolic.prove.gradient import ATOMS, Gradient, Node
from gradcli.symbolic.prove.numbers import KinkError, Point
from gradcli.symbolic.prove.polynomials import Quotient, TooLargeError, UndefinedError
from gradcli.symbolic.prove.sampling import SAME
from gradcli.symbolic.prove.text import written

MOST_CELLS = 128
# How deep circuits are.
DEEPEST = 8000
EXACT_POINTS, MOST_DRAWN = 8, 24
# How much of the time the points that are run may take.
SHARE = 0.3
# How much of it there is for formulas, before numbers are put in.
CELLS = 0.7


def prove(request: ProofRequest) -> Proof:
    """Return what each entry of the gradients comes to."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), DEEPEST))
    started = time.monotonic()
    gradient = Gradient(list(request.nodes))
    try:
        derived = gradient.pulled_back(request.outputs, request.cotangents)
    except NotSupportedError as error:
        nothing = tuple(ProvedEntry("undecided", "", None, reason=error.message) for _ in request.wanted)
        unknown = tuple((None,) * len(nothing) for _ in request.points)
        return Proof(nothing, unknown, unknown)
    zero = gradient.number(0)
    prover = Prover(gradient.nodes, request, started)
    places = [derived.get(item.leaf, zero) for item in request.wanted]
    until = started + SHARE * request.seconds
    both = [*places, *(w.traced for w in request.wanted)]
    values = [_values(gradient.nodes, both, point, until) for point in request.points]
    entries = tuple(prover.entry(item, place) for item, place in zip(request.wanted, places, strict=True))
    count = len(places)
    derivative, formulas = tuple(row[:count] for row in values), tuple(row[count:] for row in values)
    return Proof(entries, derivative, formulas, tuple(_rounded(request)))


def _values(
    nodes: Sequence[Node], places: Sequence[int | None], point: Sequence[tuple[int, float]], until: float
) -> tuple[float | None, ...]:
    """Return what nodes are at a point; nothing after the time for points."""
    here = Point(nodes, {leaf: Fraction(value) for leaf, value in point}, kinks=True)
    return tuple(None if place is None or time.monotonic() > until else _number(here, place) for place in places)


def _number(here: Point, place: int) -> float | None:
    try:
        return float(here.value(place))
    except (KinkError, ArithmeticError, ValueError, NotSupportedError, TypeError, OverflowError):
        return None


def _rounded(request: ProofRequest) -> Iterator[Rounded]:
    for text in dict.fromkeys(str(node[1]) for node in request.nodes if node[0] == "number"):
        meant = meaning(text)
        if meant.relative or meant.base:
            yield Rounded(text, meant.text, meant.relative)


class Prover(Cases):
    """Proofs of the entries of one program's gradients."""

    def __init__(self, nodes: Sequence[Node], request: ProofRequest, started: float) -> None:
        domains = {leaf: _interval(low, high) for leaf, low, high in request.domains}
        super().__init__(nodes, domains, started + CELLS * request.seconds)
        self.cells_end, self.end = self.until, started + request.seconds
        self._same: dict[tuple[object, ...], ProvedEntry] = {}

    def entry(self, wanted: Wanted, derived: int) -> ProvedEntry:
        """Return what one entry comes to; entries that are the same but for names are looked at once."""
        text = written(self.nodes, derived)
        if wanted.traced is None:
            return ProvedEntry("undecided", text, None)
        self.variable = self.leaves.index(wanted.leaf) if wanted.leaf in self.leaves else None
        found = self._proved(wanted.traced, derived)
        return replace(found, derived=text, traced=written(self.nodes, wanted.traced))

    def _proved(self, traced: int, derived: int) -> ProvedEntry:
        lines, leaves = self._pattern(traced, derived)
        own = None if self.variable is None else self.leaves[self.variable]
        pattern = (*lines, leaves.index(own) if own in leaves else None)
        if pattern in self._same and self._same[pattern].verdict == "proved" and not self._same[pattern].regions:
            return self._same[pattern]
        self.until = min(self.until, self.cells_end)
        try:
            found = self._by_cells(traced, derived)
        except (TooLargeError, RecursionError, MemoryError):
            found = self._by_points(traced, derived, leaves)
        except NotSupportedError as error:
            found = ProvedEntry("undecided", "", None, reason=error.message)
        self._same[pattern] = found
        return found

    def _pattern(self, *places: int) -> tuple[tuple[object, ...], list[int]]:
        """Return a pair of circuits with leaves numbered in the order of their occurrence, and the leaves."""
        order: dict[int, int] = {}
        leaves: list[int] = []
        lines: list[object] = []

        def visit(place: int) -> int:
            if place in order:
                return order[place]
            name, *operands = self.nodes[place]
            if name == "leaf":
                line: object = ("leaf", len(leaves), self.domains.get(place))
                leaves.append(place)
            elif name in ATOMS:
                line = (name, *operands)
            else:
                line = (name, *[visit(int(operand)) for operand in operands])
            lines.append(line)
            order[place] = len(order)
            return order[place]

        ends = [visit(place) for place in places]
        return (*lines, *ends), leaves

    def _by_cells(self, traced: int, derived: int) -> ProvedEntry:
        waiting, regions, count = [Cell(dict(self.start))], [], 0
        while waiting:
            count += 1
            if count > MOST_CELLS:
                raise TooLargeError
            cell = waiting.pop()
            try:
                regions += self.in_cell(cell, traced, derived)
            except DivisionError as division:
                waiting += division.parts
        verdict: EntryVerdict = "proved"
        if any(region.kind in {"difference", "undefined"} and region.value is not None for region in regions):
            verdict = "different"
        if any(region.kind == "unknown" for region in regions) and verdict == "proved":
            return _undecided(regions)
        return ProvedEntry(verdict, "", None, tuple(regions))

    def _by_points(self, traced: int, derived: int, leaves: Sequence[int]) -> ProvedEntry:
        """Return what exact arithmetic says at random points; a point at which the two differ is one that shows it."""
        equal = 0
        self.until = self.end
        for attempt in range(MOST_DRAWN):
            if equal == EXACT_POINTS:
                break
            point = {leaf: self.drawn(self.domains.get(leaf, Interval()), 4 * attempt) for leaf in leaves}
            solved = {self.leaves.index(leaf): Quotient.number(value) for leaf, value in point.items()}
            here = Evaluation(self.nodes, self.leaves, Cell(solved=solved), self.until)
            try:
                difference = here.value(traced) - here.of_derivative().value(derived)
                same = here.unknowns.is_zero(difference)
            except (TooLargeError, UndefinedError, DivisionError, NotSupportedError, RecursionError):
                continue
            if same:
                equal += 1
            elif not self.is_at_a_kink(point, derived) and (self.error(point, traced, derived) or 0.0) > SAME:
                shown = tuple((leaf, float(value)) for leaf, value in point.items())
                region = self.region("", "difference", shown, self.error(point, traced, derived), traced, derived)
                if region.kind != "small":
                    return ProvedEntry("different", "", None, (region,))
        if equal == EXACT_POINTS:
            return ProvedEntry("exact", "", None, points=equal)
        return ProvedEntry("undecided", "", None, reason="the expressions are too large for the time there is")


def _undecided(regions: Sequence[Region]) -> ProvedEntry:
    where = "; ".join(dict.fromkeys(region.where for region in regions if region.kind == "unknown"))
    reason = f"the difference does not come to 0 in exact arithmetic{f' where {where}' if where else ''}"
    return ProvedEntry("undecided", "", None, tuple(regions), reason=reason)


def _interval(low: float, high: float) -> Interval:
    infinite = float("inf")
    return Interval(None if low == -infinite else Fraction(low), None if high == infinite else Fraction(high))
