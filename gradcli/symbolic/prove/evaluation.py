"""A circuit in one cell, in exact arithmetic: comparisons are decided, or divide the cell."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

from gradcli.errors import NotSupportedError
from gradcli.symbolic.prove.cells import Cell, Interval, Root, definite, entry, form_of, roots
from gradcli.symbolic.prove.comparisons import as_powers, exponent_of, under_a_root, unsigned
from gradcli.symbolic.prove.constants import as_quotient, circle_number, meaning
from gradcli.symbolic.prove.functions import FUNCTIONS, OPAQUE
from gradcli.symbolic.prove.gradient import ATOMS
from gradcli.symbolic.prove.numbers import Point, Zeros
from gradcli.symbolic.prove.polynomials import (
    Quotient,
    TooLargeError,
    UndefinedError,
    common,
    leading,
    power,
)
from gradcli.symbolic.prove.unknowns import Unknowns

Node = tuple[str | int, ...]
RELATIONS: Mapping[str, frozenset[int]] = {
    "lt": frozenset({-1}),
    "le": frozenset({-1, 0}),
    "gt": frozenset({1}),
    "ge": frozenset({0, 1}),
    "eq": frozenset({0}),
    "ne": frozenset({-1, 1}),
}
# A constant that is nearer to 0 than this is not told from 0.
NEAR = 1e-25


class DivisionError(Exception):
    """A comparison has several outcomes in the cell; these are its parts."""

    def __init__(self, parts: Sequence[Cell]) -> None:
        super().__init__()
        self.parts = parts


class Evaluation:
    """The values of nodes in a cell.

    With an `oracle`, it is that which decides comparisons, in a cell beside this one, and a term with a factor of 0 is
    0 whatever else is in it: so is the derivative of a choice by what was not chosen. Floats know no such rule.
    """

    def __init__(
        self, nodes: Sequence[Node], leaves: Sequence[int], cell: Cell, until: float, oracle: Evaluation | None = None
    ) -> None:
        self.nodes, self.leaves, self.cell, self.until, self.oracle = nodes, list(leaves), cell, until, oracle
        self.unknowns = Unknowns(until)
        self._known: dict[int, Quotient] = {}
        self._zeros = Zeros(nodes, lambda place: not self.value(place).above)
        self._signs: list[tuple[Quotient, int]] = []
        for leaf in self.leaves:
            self.unknowns.new(str(nodes[leaf][1]))
        for form, within in cell.intervals.items():
            variable = form[0][0][0][0]
            if form != entry(variable):
                continue
            if within.low is not None and within.low >= 0:
                self.unknowns.positive.add(variable)
            if within.high is not None and within.high <= 0:
                self.unknowns.negative.add(variable)

    def of_derivative(self, oracle: Evaluation | None = None) -> Evaluation:
        """Return the values of a derivative here: where the comparisons are decided by another cell's values."""
        found = Evaluation(self.nodes, self.leaves, self.cell, self.until, oracle or self)
        found.unknowns = self.unknowns
        return found

    def value(self, place: int) -> Quotient:
        """Return a node's value.

        DivisionError where a comparison has several outcomes, UndefinedError outside of a function's domain, and
        TooLargeError where it has too many terms, or time is up.
        """
        if place not in self._known:
            if time.monotonic() > self.until:
                raise TooLargeError
            self._known[place] = self._computed(place)
        return self._known[place]

    def terms(self, place: int) -> Iterator[Quotient]:
        """Yield the values that a node is the sum of: as one value they may have a large denominator."""
        name, *operands = self.nodes[place]
        if name not in {"sum", "add", "sub"}:
            yield self.value(place)
            return
        for position, operand in enumerate(operands):
            sign = -1 if name == "sub" and position else 1
            yield from (term.scaled(sign) for term in self.terms(int(operand)))

    def _computed(self, place: int) -> Quotient:
        name, *operands = self.nodes[place]
        match name:
            case "number":
                return as_quotient(meaning(str(operands[0])), self.unknowns)
            case "pi":
                return circle_number(self.unknowns)
            case "leaf":
                return self._leaf(place)
            case "unknown":
                raise NotSupportedError(str(operands[0]))
            case "where":
                test, then, otherwise = map(int, operands)
                return self.value(then if self.value(test).above else otherwise)
        if name in RELATIONS:
            one, other = map(int, operands)
            return Quotient.number(int(self.sign(one, other) in RELATIONS[str(name)]))
        if name in {"mul", "sum"} and self.oracle is not None and place in self._zeros:
            return Quotient.number(0)
        values = [self.value(int(operand)) for operand in operands]
        return FUNCTIONS[str(name)](self.unknowns, *values) if name in FUNCTIONS else self._other(str(name), values)

    def _other(self, name: str, values: Sequence[Quotient]) -> Quotient:
        if name in {"infinity", "nan"}:
            raise UndefinedError
        if name in OPAQUE:
            return self.unknowns.value(name, *values)
        msg = f"{name} has no exact value"
        raise NotSupportedError(msg)

    def _leaf(self, place: int) -> Quotient:
        return self._entry(self.leaves.index(place))

    def _entry(self, variable: int) -> Quotient:
        """Return an entry: itself, or what it is where it is solved for."""
        solved = self.cell.solved.get(variable)
        if solved is None:
            return Quotient.variable(variable)
        if isinstance(solved, Root):
            return self.unknowns.power(Quotient.number(solved.base), Fraction(1, solved.degree)).scaled(solved.sign)
        for other in solved.variables & self.cell.solved.keys():  # an entry that was solved for later
            value = self._entry(other)
            parts = {m: c for m, c in solved.above.items() if (other, Fraction(1)) not in m}
            rest = solved - Quotient(parts, {})
            solved = Quotient(parts, {}) + rest * Quotient.variable(other, -1) * value
        return solved

    def sign(self, one: int, other: int) -> int:
        """Return the sign of a difference in the cell; DivisionError where it has several."""
        if self.oracle is not None:
            return self.oracle.sign(one, other)
        one, other = self._chosen(one), self._chosen(other)
        if self.nodes[one][0] == "infinity" or self.nodes[other][0] == "infinity":
            return self._of_infinities(one, other)
        return self._sign_of(self.value(one) - self.value(other), (one, other))

    def _chosen(self, place: int) -> int:
        """Return what a choice comes to: an infinity may be compared, and has no value."""
        while self.nodes[place][0] == "where":
            test, then, otherwise = map(int, self.nodes[place][1:])
            place = then if self.value(test).above else otherwise
        return place

    def _sign_of(self, difference: Quotient, pair: tuple[int, int]) -> int:
        if self.unknowns.is_zero(difference):
            return 0
        if self.unknowns.is_positive(difference):
            return 1
        if self.unknowns.is_positive(difference.scaled(-1)):
            return -1
        divisor = tuple(pair for pair in common(difference.above) if pair[0] in self.unknowns.positive)
        plain = difference * Quotient({power(divisor, Fraction(-1)): Fraction(1)}, {})
        exponent = exponent_of(self.unknowns, plain)
        if exponent is not None:
            return self._sign_of(exponent, pair)
        own = {v for v in plain.variables if v < len(self.leaves)}
        if not own and not self._depends(*pair):
            return self._of_a_constant(*pair)
        is_polynomial = own == plain.variables and all(
            e.denominator == 1 and e > 0 for monomial in plain.above for _, e in monomial
        )
        if own and is_polynomial and not plain.below:
            found = self._of_one_entry(plain, own.pop()) if len(own) == 1 else None
            return self._of_a_form(plain) if found is None else found
        simpler = under_a_root(self.unknowns, plain)
        if simpler is None:
            self._divide_by_sign(unsigned(self.unknowns, plain))
            simpler = as_powers(self.unknowns, plain)
        if simpler is not None:
            return self._sign_of(simpler, pair)
        return self._of_several(difference, pair)

    def _divide_by_sign(self, variables: Iterable[int]) -> None:
        """Raise DivisionError at 0 of an entry among some variables."""
        for variable in variables:
            if variable < len(self.leaves) and variable not in self.cell.solved:
                raise DivisionError(self.cell.split(entry(variable), Fraction(0)))

    def _of_infinities(self, one: int, other: int) -> int:
        """Return the sign of a difference with an infinity: every value that is computed is a number."""
        sizes = [int(str(node[1])) if node[0] == "infinity" else 0 for node in (self.nodes[one], self.nodes[other])]
        return (sizes[0] > sizes[1]) - (sizes[0] < sizes[1])

    def _depends(self, *places: int) -> bool:
        """Return whether nodes depend on entries of leaves that are not at a point."""
        seen, waiting = set[int](), list(places)
        while waiting:
            place = waiting.pop()
            name, *operands = self.nodes[place]
            if name == "leaf" and self._number(place) is None:
                return True
            if place not in seen and name not in ATOMS:
                seen.add(place)
                waiting += [int(operand) for operand in operands]
        return False

    def _number(self, leaf: int) -> Fraction | None:
        """Return the number that an entry is in the cell, as nearly as comparisons need it; None for no number."""
        solved = self.cell.solved.get(self.leaves.index(leaf))
        return solved.near if isinstance(solved, Root) else self._leaf(leaf).constant

    def _of_a_constant(self, one: int, other: int) -> int:
        known = {leaf: self._number(leaf) for leaf in self.leaves}
        point = Point(self.nodes, {leaf: value for leaf, value in known.items() if value is not None})
        difference = point.value(one) - point.value(other)
        if abs(difference) < NEAR:
            raise TooLargeError
        return 1 if difference > 0 else -1

    def _of_one_entry(self, difference: Quotient, variable: int) -> int | None:
        """Return the sign of a polynomial of one entry; None where its roots are not known."""
        within = self.cell.interval(entry(variable))
        found = roots(difference, within)
        if found is None:
            return None
        if found:
            raise DivisionError(self.cell.split(entry(variable), found[0]))
        at = within.sample(Fraction(1, 2))
        value = sum(c * (at ** int(m[0][1]) if m else 1) for m, c in difference.above.items())
        return 1 if value > 0 else -1

    def _of_a_form(self, difference: Quotient) -> int:
        """Return the sign of a polynomial of several entries, by where it is less its constant."""
        form, number, at = form_of(difference)
        sign = 1 if number > 0 else -1
        fixed = self.cell.points.get(form)
        if fixed is not None:
            return sign * ((fixed > at) - (fixed < at))
        within = self.cell.interval(form)
        side = 1 if self.unknowns.is_nonnegative(Quotient(dict(form), {})) else definite(form)
        if side and at * side <= 0 and within == Interval():
            if at:
                return sign * side
            below, above, on = self.cell.split(form, at)
            raise DivisionError([above if side > 0 else below, on])
        if within.inside(at):
            raise DivisionError(self.cell.split(form, at))
        return sign if within.low is not None and within.low >= at else -sign

    def _of_several(self, difference: Quotient, pair: tuple[int, int]) -> int:
        normal = difference.scaled(1 / abs(leading(difference.above)))
        for own, sign in self._signs:
            if self.unknowns.is_zero(own - normal):
                return sign
            if self.unknowns.is_zero(own + normal):
                return -sign
        if pair not in self.cell.signs:
            signs = [sign for sign in (1, -1) if not self.unknowns.is_nonnegative(difference.scaled(-sign))]
            raise DivisionError([self.cell.with_sign(pair, sign) for sign in (*signs, 0)])
        self._signs.append((normal, self.cell.signs[pair]))
        return self.cell.signs[pair]
