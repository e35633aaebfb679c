"""Where the leaves are: cells in which every comparison that matters has one outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import sympy

from gradcli.symbolic.prove.polynomials import ONE, Factor, Quotient, leading

# Next to a point: nearer than any two thresholds are.
BESIDE = Fraction(1, 10**12)
DIGITS = 10**110


@dataclass(frozen=True, slots=True)
class Interval:
    """An open interval; None for no end."""

    low: Fraction | None = None
    high: Fraction | None = None

    def inside(self, value: Fraction) -> bool:
        """Return whether a number is in it."""
        return (self.low is None or self.low < value) and (self.high is None or value < self.high)

    def sample(self, part: Fraction) -> Fraction:
        """Return a number inside: `part` of the way through, or as far from its only end."""
        if self.low is not None and self.high is not None:
            return self.low + (self.high - self.low) * part
        far = 8 * part / (1 - part) if self.low is not None or self.high is not None else 12 * part - 6
        if self.low is not None:
            return self.low + far
        return self.high - far if self.high is not None else far


@dataclass(frozen=True, slots=True)
class Root:
    """A root of a positive number, or its negative."""

    base: Fraction
    degree: int
    sign: int

    @property
    def near(self) -> Fraction:
        """Return it to so many digits that comparisons do not see the rest."""
        scale = DIGITS**self.degree
        root, _ = sympy.integer_nthroot(int(self.base * scale), self.degree)
        return Fraction(self.sign * int(root), DIGITS)


@dataclass(frozen=True, slots=True)
class Cell:
    """Intervals and points of polynomials of entries of leaves, and the signs of other differences."""

    intervals: Mapping[Factor, Interval] = field(default_factory=dict)
    points: Mapping[Factor, Fraction] = field(default_factory=dict)
    solved: Mapping[int, Quotient | Root] = field(default_factory=dict)
    """Variables of entries that are a number, or a function of others, where a polynomial is at a point."""
    signs: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """Of the difference of two nodes that are compared."""

    @property
    def is_open(self) -> bool:
        """Return whether it has an inside."""
        return not self.points and all(self.signs.values())

    @property
    def is_implicit(self) -> bool:
        """Return whether something is 0 in it that is not solved for an entry."""
        return sum(sign == 0 for sign in self.signs.values()) + len(self.points) > len(self.solved)

    def interval(self, form: Factor) -> Interval:
        """Return where a polynomial is."""
        return self.intervals.get(form, Interval())

    def split(self, form: Factor, at: Fraction) -> list[Cell]:
        """Return the parts below a number, at it, and above it."""
        own = self.interval(form)
        below = replace(self, intervals={**self.intervals, form: Interval(own.low, at)})
        above = replace(self, intervals={**self.intervals, form: Interval(at, own.high)})
        rest = {key: value for key, value in self.intervals.items() if key != form}
        solved = {**self.solved, **self.solution(form, at)}
        return [below, above, replace(self, intervals=rest, points={**self.points, form: at}, solved=solved)]

    def solution(self, form: Factor, at: Fraction) -> Mapping[int, Quotient | Root]:
        """Return an entry as a function of the others, where a polynomial is linear in it, or as a root."""
        if any(v in self.solved for monomial, _ in form for v, _ in monomial):
            return {}
        if len(form) == 1 and len(form[0][0]) == 1 and form[0][0][0][1] != 1:
            return self._root(form[0][0][0], at / form[0][1])
        for monomial, coefficient in form:
            if len(monomial) != 1 or monomial[0][1] != 1:
                continue
            variable = monomial[0][0]
            rest = {m: c for m, c in form if m != monomial}
            alone = all(variable != v for m in rest for v, _ in m)
            if alone and (not rest or entry(variable) not in self.intervals):
                return {variable: (Quotient.number(at) - Quotient(rest, {})).scaled(1 / coefficient)}
        return {}

    def _root(self, power: tuple[int, Fraction], at: Fraction) -> Mapping[int, Root]:
        """Return an entry of a known sign whose power is a number."""
        variable, exponent = power
        within = self.interval(entry(variable))
        sign = 1 if within.low is not None and within.low >= 0 else -1
        is_known = sign > 0 or (within.high is not None and within.high <= 0 and exponent % 2 == 0)
        is_root = at > 0 and is_known and exponent.denominator == 1 and exponent > 0
        return {variable: Root(at, int(exponent), sign)} if is_root else {}

    def beside(self, form: Factor, side: int) -> Cell:
        """Return the cell next to a point, to one side of it."""
        at = self.points[form]
        near = Interval(at - BESIDE, at) if side < 0 else Interval(at, at + BESIDE)
        rest = {key: value for key, value in self.points.items() if key != form}
        return replace(self, points=rest, intervals={**self.intervals, form: near}, solved={})

    def solved_anew(self) -> Cell:
        """Return the cell with those of its points alone that are there now solved for entries."""
        found = replace(self, solved={})
        for form, at in self.points.items():
            found = replace(found, solved={**found.solved, **found.solution(form, at)})
        return found

    def with_sign(self, pair: tuple[int, int], sign: int) -> Cell:
        """Return the part where a difference has a sign."""
        return replace(self, signs={**self.signs, pair: sign})

    def renamed(self, variables: Mapping[int, int], nodes: Mapping[int, int]) -> Cell:
        """Return what is known in it of some entries, in the names of others."""

        def renamed(form: Factor) -> Factor:
            return tuple((tuple((variables[v], e) for v, e in monomial), c) for monomial, c in form)

        own = {
            form: renamed(form) for form in (*self.intervals, *self.points) if variables_of(form) <= variables.keys()
        }
        return Cell(
            intervals={own[form]: within for form, within in self.intervals.items() if form in own},
            points={own[form]: at for form, at in self.points.items() if form in own},
            signs={(nodes[one], nodes[other]): sign for (one, other), sign in self.signs.items()},
        )


def variables_of(form: Factor) -> set[int]:
    """Return the entries that a polynomial is of."""
    return {variable for monomial, _ in form for variable, _ in monomial}


def entry(variable: int) -> Factor:
    """Return an entry of a leaf as a polynomial."""
    return ((((variable, Fraction(1)),), Fraction(1)),)


def form_of(value: Quotient) -> tuple[Factor, Fraction, Fraction]:
    """Return a polynomial's terms but for the constant, divided by a number; the number; and where it is 0."""
    rest = {monomial: c for monomial, c in value.above.items() if monomial != ONE}
    number = leading(rest)
    return (
        tuple(sorted((m, c / number) for m, c in rest.items())),
        number,
        -value.above.get(ONE, Fraction(0)) / number,
    )


def definite(form: Factor) -> int:
    """Return 1 for a quadratic form that is never negative, -1 for one that is never positive, else 0."""
    if any(sum(exponent for _, exponent in monomial) != 2 or len(monomial) > 2 for monomial, _ in form):  # noqa: PLR2004
        return 0
    rows: dict[int, dict[int, Fraction]] = {}
    for monomial, coefficient in form:
        one, *others = [variable for variable, exponent in monomial for _ in range(int(exponent))]
        if len(others) != 1:
            return 0
        for row, column in ((one, others[0]), (others[0], one)):
            own = rows.setdefault(row, {})
            own[column] = own.get(column, Fraction(0)) + coefficient / 2
    negated = {row: {column: -entry for column, entry in own.items()} for row, own in rows.items()}
    return 1 if _is_semidefinite(rows) else -1 if _is_semidefinite(negated) else 0


def _is_semidefinite(matrix: Mapping[int, Mapping[int, Fraction]]) -> bool:
    """Return whether xᵀ A x is never negative: by elimination, in which no pivot is negative, nor a row of 0 other.

    Of the rows only what is not 0 is kept.
    """
    rows = {place: dict(row) for place, row in matrix.items()}
    for place in sorted(rows):
        row = rows.pop(place)
        pivot = row.pop(place, Fraction(0))
        if pivot < 0 or (pivot == 0 and row):
            return False
        for other, entry in row.items():
            rest = rows[other]
            del rest[place]
            for column, value in row.items():
                rest[column] = rest.get(column, Fraction(0)) - entry / pivot * value
                if not rest[column]:
                    del rest[column]
    return True


def roots(value: Quotient, within: Interval) -> list[Fraction] | None:
    """Return the roots of a polynomial of one variable in an interval; None where one of them is not rational."""
    symbol = sympy.Symbol("x")
    terms = []
    for monomial, coefficient in value.above.items():
        exponent = Fraction(0) if monomial == ONE else monomial[0][1]
        if exponent.denominator != 1 or exponent < 0:
            return None
        terms.append(sympy.Rational(coefficient.numerator, coefficient.denominator) * symbol ** int(exponent))
    found = []
    for root in sympy.Poly(sympy.Add(*terms), symbol).real_roots():
        if root.is_Rational:
            found.append(Fraction(int(root.p), int(root.q)))
        elif _may_be_inside(root, within):
            return None
    return sorted({root for root in found if within.inside(root)})


def _may_be_inside(root: sympy.Expr, within: Interval) -> bool:
    value = Fraction(str(root.evalf(40)))
    margin = Fraction(1, 10**20)
    low = within.low is None or within.low < value + margin
    return low and (within.high is None or value - margin < within.high)
