"""Where two circuits differ in a cell: nowhere, inside of it, or at a boundary of cells."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal

from gradcli.derivation.proof import Region
from gradcli.errors import NotSupportedError
from gradcli.symbolic.prove.cells import Cell, Interval, variables_of
from gradcli.symbolic.prove.evaluation import DivisionError, Evaluation
from gradcli.symbolic.prove.feasible import is_empty
from gradcli.symbolic.prove.jumps import NEGLIGIBLE, NEXT, Jumps, reached
from gradcli.symbolic.prove.numbers import KinkError, Point
from gradcli.symbolic.prove.polynomials import Factor, Quotient, TooLargeError, UndefinedError
from gradcli.symbolic.prove.sampling import EVERYWHERE, SAME, Node, Sampler, at
from gradcli.symbolic.prove.text import written

MOST_SIDES = 256
# At so many points of a boundary it is asked whether the program jumps there.
MOST_POINTS = 3
# A difference in a cell that is no rounding of as many digits as are computed with.
NONE = 1e-64
# A number in code is rounded to float64, a product of some a few times.
LAST_PLACES = 2.0**-48
# A derivative at a kink is one of these parts of the way from one side to the other.
PARTS = tuple({Fraction(part, whole): None for whole in range(1, 9) for part in range(whole + 1)})


class Cases(Sampler):
    """What is so in each cell of what PyTorch computes, and of the derivative."""

    def __init__(
        self, nodes: Sequence[Node], domains: Mapping[int, Interval], outputs: Sequence[int], until: float
    ) -> None:
        super().__init__(nodes, domains, outputs)
        self.until = until
        self.variable: int | None = None
        """The entry by which is differentiated."""
        self.jumps = Jumps(nodes, (), -1)
        """Where the program jumps by it."""

    def in_cell(self, cell: Cell, traced: int, derived: int) -> list[Region]:
        """Return where the two differ in a cell, or it jumps; DivisionError where it is to be divided first."""
        if is_empty(cell):
            return []
        here = Evaluation(self.nodes, self.leaves, cell, self.until)
        self._compare(here)
        if cell.is_open:
            return self._inside(here, traced, derived)
        return self._at_a_boundary(here, traced, derived)

    def _compare(self, here: Evaluation) -> None:
        """Have all comparisons decided in a cell that the program may jump by; one of unknown outcome is left alone."""
        for place in self.jumps.comparisons:
            with suppress(UndefinedError, NotSupportedError):
                here.value(place)

    def _is_at_a_jump(self, cell: Cell) -> bool:
        """Return whether the program jumps at a boundary, by points of it."""
        return bool(self.jumps.comparisons) and any(map(self.jumps.at, self._on(cell)))

    def _on(self, cell: Cell) -> Iterator[dict[int, Fraction]]:
        """Yield some points of a boundary."""
        for point in itertools.islice(self.samples(replace(cell, points={}, solved={})), MOST_POINTS):
            yield dict(zip(self.leaves, self.with_solutions(cell, list(point.values())), strict=True))

    def _inside(self, here: Evaluation, traced: int, derived: int) -> list[Region]:
        """Return where the two differ in an open cell: nowhere, or all of it."""
        try:
            terms = [*here.terms(traced), *(term.scaled(-1) for term in here.of_derivative().terms(derived))]
        except UndefinedError:
            return self._sampled(here, traced, derived)
        if here.unknowns.is_zero_sum(terms):
            return []
        return self._sampled(here, traced, derived)

    def _sampled(self, here: Evaluation, traced: int, derived: int) -> list[Region]:
        """Return an open cell as a region, with the point at which the two differ most of some."""
        best: tuple[float, dict[int, Fraction]] | None = None
        for point in self.samples(here.cell):
            error = self.error(point, traced, derived)
            if error is not None and (best is None or error > best[0]):
                best = error, point
        where = self.where(here.cell)
        if best is None or best[0] <= NONE:
            return [Region(where, "unknown", None, None, None)]
        shown = tuple((leaf, float(value)) for leaf, value in best[1].items())
        return [self.region(where, "difference", shown, best[0], traced, derived)]

    def _difference(self, traced: int, derived: int) -> str:
        return f"({written(self.nodes, traced)}) - ({written(self.nodes, derived)})"

    def _at_a_boundary(self, here: Evaluation, traced: int, derived: int) -> list[Region]:
        """Return a boundary of cells as a region, unless the two are the same there.

        The derivative is that from each side. What PyTorch gives lies between them at a kink.
        """
        where = self.where(here.cell)
        if here.cell.is_implicit:
            return self._on_an_equation(here.cell, where, traced, derived)
        if self._is_at_a_jump(here.cell):
            return [Region(where, "jump", None, None, None)]
        sides = self._sides(here, derived)
        if not sides:
            return [Region(where, "undefined", None, None, None)]
        try:
            found = here.value(traced)
        except UndefinedError:
            return [self.region(where, "undefined", self.point(here.cell), None, traced, derived)]
        is_zero = here.unknowns.is_zero
        if all(is_zero(found - side) for side in sides):
            return []
        if self._is_between(here, found, sides) or self._is_between(here, found, self._tied_sides(here, derived)):
            return [self._at_a_kink(here.cell, where, derived)]
        point = self.point(here.cell)
        if point is None:
            return [Region(where, "unknown", None, None, None)]
        found_region = self.region(where, "difference", point, None, traced, derived)
        return [self._told_beside(found_region, traced, derived)]

    def _at_a_kink(self, cell: Cell, where: str, derived: int) -> Region:
        """Return a kink as a region: none where a formula for some numbers meets that for others, but for a little."""
        near = self._near(next(self._on(cell), {}), derived)
        apart, largest = (max(near) - min(near), max(map(abs, near))) if near else (0, 0)
        if not 0 < apart <= NEGLIGIBLE * largest:
            return Region(where, "kink", None, None, None)
        return Region(where, "small", None, float(apart / largest), None)

    def _near(self, point: Mapping[int, Fraction], derived: int) -> list[Any]:
        """Return the derivative to both sides of a point by the entry; nothing where there is none, or no point."""
        own = None if self.variable is None else self.leaves[self.variable]
        if own is None or own not in point:
            return []
        try:
            beside = [{**point, own: point[own] + side * NEXT} for side in (-1, 1)]
            return [Point(self.nodes, one, derivative=True).value(derived) for one in beside]
        except (ArithmeticError, ValueError, TypeError):
            return []

    def _on_an_equation(self, cell: Cell, where: str, traced: int, derived: int) -> list[Region]:
        """Return where an equation holds as a region: one where the derivative itself has no value is told apart.

        An equation that the program alone compares by is of no matter to the two.
        """
        compared = {place for pair, sign in cell.signs.items() if sign == 0 for place in pair}
        if not compared <= reached(self.nodes, [traced, derived]):
            return []
        for numbers in self.candidates(cell):
            if not all(at(form, numbers) == number for form, number in cell.points.items()):
                continue
            point = dict(zip(self.leaves, numbers, strict=True))
            if not all(self.holds(point, pair, sign) for pair, sign in cell.signs.items()):
                continue
            try:
                Point(self.nodes, point, kinks=True, derivative=True).value(derived)
            except (KinkError, ArithmeticError, ValueError, TypeError):
                return [Region(where, "undefined", None, None, None)]
            error = self.error(point, traced, derived)
            if error is not None and error > SAME:
                shown = tuple((leaf, float(number)) for leaf, number in point.items())
                return [self.region(where, "difference", shown, error, traced, derived)]
        return [Region(where, "unknown", None, None, None)]

    def region(  # noqa: PLR0917 (its parts)
        self,
        where: str,
        kind: Literal["difference", "undefined"],
        point: tuple[tuple[int, float], ...] | None,
        error: float | None,
        traced: int,
        derived: int,
    ) -> Region:
        """Return a region with the derivative's value at its point: what is run there is compared with that."""
        value = None
        if point is not None:
            try:
                here = {leaf: Fraction(number) for leaf, number in point}
                value = float(Point(self.nodes, here, derivative=True).value(derived))
            except (ArithmeticError, ValueError, TypeError):
                value = None
        largest = LAST_PLACES if where == EVERYWHERE else NEGLIGIBLE  # a threshold has another side
        is_small = kind == "difference" and error is not None and error <= largest
        return Region(where, "small" if is_small else kind, point, error, self._difference(traced, derived), value)

    def _told_beside(self, region: Region, traced: int, derived: int) -> Region:
        """Return a region at a boundary with the derivative beside it, the nearest to PyTorch's, and how far that is.

        At the boundary itself its formula may take one side of one choice, and the other side of another. It is a kink
        where the sides are further apart than PyTorch's, with the numbers that its code rounds, is from one of them.
        """
        here = {leaf: Fraction(value) for leaf, value in region.point or ()}
        near = self._near(here, derived)
        try:
            found = Point(self.nodes, here).value(traced)
        except (ArithmeticError, ValueError, TypeError):
            return region
        if not near:
            return region
        distance = max(min(near) - found, found - max(near), 0)
        largest = max(map(abs, (found, *near)))
        error = float(distance / largest) if largest else 0.0
        if error <= NEGLIGIBLE and max(near) - min(near) > NEGLIGIBLE * largest:
            return Region(region.where, "kink", None, None, None)
        nearest = float(min(near, key=lambda value: abs(value - found)))
        return replace(region, error=error, value=nearest, kind="small" if error <= NEGLIGIBLE else region.kind)

    @staticmethod
    def _is_between(here: Evaluation, found: Quotient, sides: Sequence[Quotient]) -> bool:
        is_zero = here.unknowns.is_zero
        if all(is_zero(one - sides[0]) for one in sides[1:]):
            return False
        pairs = itertools.combinations(sides, 2)
        return any(is_zero(found - one.scaled(1 - part) - other.scaled(part)) for one, other in pairs for part in PARTS)

    def _tied_sides(self, here: Evaluation, derived: int) -> list[Quotient]:
        """Return the derivative beside a boundary where all entries that are tied move; none where there are many."""
        try:
            return self._sides(here, derived, tied=True)
        except TooLargeError:
            return []

    def _sides(self, here: Evaluation, derived: int, *, tied: bool = False) -> list[Quotient]:
        """Return the derivatives at a boundary by the values of each cell beside it; none where one is not defined.

        A move of the entry leads to these cells, or a move of all entries that are `tied` to it.
        """
        found, count = list[Quotient](), 0
        waiting = [cell for cell in _beside(here.cell, self.variable, tied=tied) if not is_empty(cell)]
        kept = min((len(cell.points) for cell in waiting), default=0)
        while waiting:
            oracle = Evaluation(self.nodes, self.leaves, waiting.pop(), self.until)
            try:
                side = here.of_derivative(oracle).value(derived)
                if not any(here.unknowns.is_zero(side - other) for other in found):
                    found.append(side)
            except UndefinedError:
                return []
            except DivisionError as division:
                waiting += [one for one in division.parts if len(one.points) == kept and all(one.signs.values())]
            count += 1
            if count + len(waiting) > MOST_SIDES:
                raise TooLargeError
        return found


def _tied(cell: Cell, variable: int) -> list[Factor]:
    """Return the polynomials at a point that are of an entry, or of entries that they tie to it: x = y and y = z.

    A gradient is a limit of those beside the point where all of them move.
    """
    forms, entries = list[Factor](), {variable}
    while new := [form for form in cell.points if form not in forms and variables_of(form) & entries]:
        forms += new
        entries |= {other for form in new for other in variables_of(form)}
    return [form for form in cell.points if form in forms]


def _beside(cell: Cell, variable: int | None, *, tied: bool) -> Iterator[Cell]:
    """Yield the cells beside a boundary, to which a move of one entry leads: None stands for a move of all."""
    forms = [form for form in cell.points if variable is None or variable in variables_of(form)]
    forms = _tied(cell, variable) if tied and variable is not None else forms
    zero = [pair for pair, sign in cell.signs.items() if sign == 0]
    for sides in itertools.product((-1, 1), repeat=len(forms) + len(zero)):
        found = cell
        for form, side in zip(forms, sides, strict=False):
            found = found.beside(form, side)
        signs = {**found.signs, **dict(zip(zero, sides[len(forms) :], strict=True))}
        yield replace(found, signs=signs).solved_anew()
