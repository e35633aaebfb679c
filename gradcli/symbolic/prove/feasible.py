"""Whether a cell is empty, as far as linear algebra shows: entries are eliminated one by one (Fourier and Motzkin)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from gradcli.symbolic.prove.cells import Cell, Interval, entry
from gradcli.symbolic.prove.polynomials import Factor, Monomial

MOST_LINES = 64


@dataclass(frozen=True, slots=True)
class Line:
    """A number plus multiples of monomials, each taken for an unknown of its own."""

    terms: dict[Monomial, Fraction]
    constant: Fraction

    def plus(self, other: Line, factor: Fraction) -> Line:
        """Return the sum with a multiple of another."""
        terms = dict(self.terms)
        for monomial, coefficient in other.terms.items():
            terms[monomial] = terms.get(monomial, Fraction(0)) + factor * coefficient
        kept = {monomial: coefficient for monomial, coefficient in terms.items() if coefficient}
        return Line(kept, self.constant + factor * other.constant)


def is_empty(cell: Cell) -> bool:
    """Return whether no point is in a cell; False where that is not plain."""
    zero = [_line(form, 1, -value) for form, value in cell.points.items()]
    positive = []
    for form, within in cell.intervals.items():
        positive += [_line(form, 1, -within.low)] if within.low is not None else []
        positive += [_line(form, -1, within.high)] if within.high is not None else []
    for monomial in _powers(cell):
        zero += _at_a_point(cell, monomial)
        positive += _between(cell, monomial)
    while zero:
        first = zero.pop()
        if not first.terms and first.constant:
            return True
        if first.terms:
            zero, positive = ([_without(line, first) for line in lines] for lines in (zero, positive))
    return _has_no_solution(positive)


def _powers(cell: Cell) -> list[Monomial]:
    """Return the whole powers of single entries that a cell knows something of."""
    found = [monomial for form in (*cell.intervals, *cell.points) for monomial, _ in form]
    return [m for m in dict.fromkeys(found) if len(m) == 1 and m[0][1] > 1 and m[0][1].denominator == 1]


def _at_a_point(cell: Cell, monomial: Monomial) -> list[Line]:
    """Return what a power of an entry is where the entry is a number."""
    (variable, exponent) = monomial[0]
    at = cell.points.get(entry(variable))
    return [] if at is None else [Line({monomial: Fraction(1)}, -(at ** int(exponent)))]


def _between(cell: Cell, monomial: Monomial) -> list[Line]:
    """Return what an interval without 0 of an entry says of its power."""
    (variable, exponent) = monomial[0]
    within = cell.interval(entry(variable))
    low, high = within.low, within.high
    if high is not None and high <= 0 and exponent % 2 == 0:
        mirrored = Interval(-high, None if low is None else -low)
        low, high = mirrored.low, mirrored.high
    if low is None or low < 0:
        return []
    below = [] if high is None else [Line({monomial: Fraction(-1)}, high ** int(exponent))]
    return [Line({monomial: Fraction(1)}, -(low ** int(exponent))), *below]


def _line(form: Factor, sign: int, constant: Fraction) -> Line:
    return Line({monomial: sign * coefficient for monomial, coefficient in form}, constant)


def _without(line: Line, zero: Line) -> Line:
    """Return a line with an unknown replaced by what an equation says it is."""
    unknown, coefficient = next(iter(zero.terms.items()))
    own = line.terms.get(unknown)
    return line if own is None else line.plus(zero, -own / coefficient)


def _has_no_solution(positive: Sequence[Line]) -> bool:
    """Return whether not all of some lines can be positive."""
    while not any(not line.terms and line.constant <= 0 for line in positive):
        unknown = next((monomial for line in positive for monomial in line.terms), None)
        if unknown is None or len(positive) > MOST_LINES:
            return False
        up = [line for line in positive if line.terms.get(unknown, 0) > 0]
        down = [line for line in positive if line.terms.get(unknown, 0) < 0]
        rest = [line for line in positive if unknown not in line.terms]
        positive = rest + [a.plus(b, -a.terms[unknown] / b.terms[unknown]) for a in up for b in down]
    return True
