"""Whether PyTorch's backward is the derivative: the two as circuits, in every cell, in exact arithmetic."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from gradcli.derivation.proof import EntryVerdict, Proof, ProofRequest, ProvedEntry, Region, Rounded, Wanted
from gradcli.errors import NotSupportedError
from gradcli.symbolic.prove.cases import Cases
from gradcli.symbolic.prove.cells import Cell, Interval
from gradcli.symbolic.prove.constants import meaning
from gradcli.symbolic.prove.evaluation import DivisionError, Evaluation
from gradcli.symbolic.prove.gradient import ATOMS, Gradient, Node
from gradcli.symbolic.prove.jumps import Jumps, by_leaves
from gradcli.symbolic.prove.numbers import KinkError, Point, lacks_value
from gradcli.symbolic.prove.polynomials import Quotient, TooLargeError, UndefinedError
from gradcli.symbolic.prove.sampling import SAME
from gradcli.symbolic.prove.text import written

MOST_CELLS = 600
# How deep circuits are.
DEEPEST = 8000
EXACT_POINTS, MOST_DRAWN = 8, 24
# Next to so many points it is asked whether the program jumps where something is an integer.
MOST_STAIRS = 3
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
    values = _at_points(gradient.nodes, places, request, until, derivative=True)
    formulas = _at_points(gradient.nodes, [w.traced for w in request.wanted], request, until, derivative=False)
    entries = tuple(prover.entry(item, place) for item, place in zip(request.wanted, places, strict=True))
    return Proof(entries, values, formulas, tuple(_rounded(request)))


def _at_points(
    nodes: Sequence[Node], places: Sequence[int | None], request: ProofRequest, until: float, *, derivative: bool
) -> tuple[tuple[float | None, ...], ...]:
    """Return what nodes are at the points of a request; nothing after the time for points.

    A derivative has no value where the program has none.
    """
    found = []
    for point in request.points:
        leaves = {leaf: Fraction(value) for leaf, value in point}
        here = Point(nodes, leaves, kinks=True, derivative=derivative)
        is_known = time.monotonic() <= until and not (derivative and lacks_value(nodes, request.outputs, leaves))
        row = (
            None if place is None or not is_known or time.monotonic() > until else _number(here, place)
            for place in places
        )
        found.append(tuple(row))
    return tuple(found)


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


@dataclass(frozen=True, slots=True)
class Found:
    """What an entry comes to, with the cell of each region, and the nodes of its formulas."""

    entry: ProvedEntry
    cells: tuple[Cell, ...] = ()
    nodes: Sequence[int] = ()


class Prover(Cases):
    """Proofs of the entries of one program's gradients."""

    def __init__(self, nodes: Sequence[Node], request: ProofRequest, started: float) -> None:
        domains = {leaf: _interval(low, high) for leaf, low, high in request.domains}
        super().__init__(nodes, domains, request.outputs, started + CELLS * request.seconds)
        self.cells_end, self.end = self.until, started + request.seconds
        self._same: dict[tuple[object, ...], Found] = {}

    def entry(self, wanted: Wanted, derived: int) -> ProvedEntry:
        """Return what one entry comes to; entries that are the same but for names are looked at once."""
        text = written(self.nodes, derived)
        if wanted.traced is None:
            return ProvedEntry("undecided", text, None)
        self.variable = self.leaves.index(wanted.leaf) if wanted.leaf in self.leaves else None
        self.jumps = Jumps(self.nodes, self._dependent.get(wanted.leaf, []), wanted.leaf)
        found = self._proved(wanted.traced, derived)
        regions = (*found.regions, *self._at_stairs())
        return replace(found, regions=regions, derived=text, traced=written(self.nodes, wanted.traced))

    def _at_stairs(self) -> Iterator[Region]:
        """Yield where the program jumps because it rounds something down or up."""
        for place in self.jumps.stairs:
            if any(self.jumps.at_integers(place, point) for point in self._anywhere):
                where = f"{written(self.nodes, int(self.nodes[place][1]))} is an integer"
                yield Region(where, "stair", None, None, None)

    @cached_property
    def _dependent(self) -> Mapping[int, Sequence[int]]:
        return by_leaves(self.nodes, self.outputs)

    @cached_property
    def _anywhere(self) -> Sequence[Mapping[int, Fraction]]:
        """Return some points of the whole domain."""
        return list(itertools.islice(self.samples(Cell(dict(self.start))), MOST_STAIRS))

    def _proved(self, traced: int, derived: int) -> ProvedEntry:
        pattern, order = self._pattern(traced, derived)
        known = self._same.get(pattern)
        if known is not None and known.entry.verdict != "different":  # a point of a difference is that entry's own
            return self._renamed(known, order, self._difference(traced, derived))
        self.until = min(self.until, self.cells_end)
        found = self._found(traced, derived)
        self._same[pattern] = replace(found, nodes=order)
        return found.entry

    def _found(self, traced: int, derived: int) -> Found:
        try:
            return self._by_cells(traced, derived)
        except (TooLargeError, RecursionError, MemoryError):
            return Found(self._by_points(traced, derived))
        except NotSupportedError as error:
            return Found(ProvedEntry("undecided", "", None, reason=error.message))

    def _renamed(self, known: Found, nodes: Sequence[int], difference: str) -> ProvedEntry:
        """Return what was found of the same formulas in the names of other entries."""
        names = dict(zip(known.nodes, nodes, strict=True))
        variables = {self.leaves.index(a): self.leaves.index(b) for a, b in names.items() if a in self.leaves}
        regions = tuple(
            replace(
                region,
                where=self.where(cell.renamed(variables, names)),
                point=None,
                difference=None if region.difference is None else difference,
            )
            for region, cell in zip(known.entry.regions, known.cells, strict=True)
        )
        return replace(known.entry, regions=regions, reason=_reason(regions) or known.entry.reason)

    def _pattern(self, traced: int, derived: int) -> tuple[tuple[object, ...], list[int]]:
        """Return a pair of circuits with leaves numbered in the order of their occurrence, and their nodes."""
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

        own = self.jumps.own if self.jumps.comparisons else ()
        ends = tuple(map(visit, (traced, derived, *own)))
        entry = None if self.variable is None else order.get(self.leaves[self.variable])
        return (*lines, *ends, entry), list(order)

    def _by_cells(self, traced: int, derived: int) -> Found:
        waiting, found, count = [Cell(dict(self.start))], list[tuple[Region, Cell]](), 0
        while waiting:
            count += 1
            if count > MOST_CELLS:
                raise TooLargeError
            cell = waiting.pop()
            try:
                found += [(region, cell) for region in self.in_cell(cell, traced, derived)]
            except DivisionError as division:
                waiting += division.parts
        regions = tuple(region for region, _ in found)
        verdict: EntryVerdict = "proved"
        if any(region.kind in {"difference", "undefined"} and region.value is not None for region in regions):
            verdict = "different"
        elif any(region.kind == "unknown" for region in regions):
            verdict = "undecided"
        reason = _reason(regions) if verdict == "undecided" else None
        return Found(ProvedEntry(verdict, "", None, regions, reason=reason), tuple(cell for _, cell in found))

    def _by_points(self, traced: int, derived: int) -> ProvedEntry:
        """Return what exact arithmetic says at random points; a point at which the two differ is one that shows it.

        A point is one of all leaves: whether the program has a value there is up to those too that the two lack.
        """
        equal = 0
        self.until = self.end
        for attempt in range(MOST_DRAWN):
            if equal == EXACT_POINTS:
                break
            point = {leaf: self.drawn(self.domains.get(leaf, Interval()), 4 * attempt) for leaf in self.leaves}
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


def _reason(regions: Sequence[Region]) -> str | None:
    """Return where the difference does not come to 0; None where no region is like that."""
    where = dict.fromkeys(region.where for region in regions if region.kind == "unknown")
    if not where:
        return None
    named = "; ".join(one for one in where if one)
    return f"the difference does not come to 0 in exact arithmetic{f' where {named}' if named else ''}"


def _interval(low: float, high: float) -> Interval:
    infinite = float("inf")
    return Interval(None if low == -infinite else Fraction(low), None if high == infinite else Fraction(high))
