"""Values of functions as unknowns of exact arithmetic, with the identities that hold between them.

Equal unknowns are told by exact arithmetic on their arguments. What is 0 whatever real numbers the unknowns are is 0;
the identities are those that hold wherever both sides are defined.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from gradcli.symbolic.prove.polynomials import (
    ONE,
    Factor,
    Monomial,
    Quotient,
    TooLargeError,
    UndefinedError,
    common,
    factored,
    leading,
    power,
    times,
    total,
)

ODD = frozenset({"erf", "erfinv", "atan", "asin", "asinh", "atanh", "sin", "special.i1", "bessel_j1", "abs_sign"})
# Each is 1 at 0, as odd functions are 0.
EVEN = frozenset({"cos", "i0", "bessel_j0"})


@dataclass(slots=True)
class Unknowns:
    """The variables of one computation; what is noted of each is an identity, or a sign."""

    until: float = math.inf
    """When time is up, by the monotonic clock."""
    names: list[str] = field(default_factory=list)
    positive: set[int] = field(default_factory=set)
    negative: set[int] = field(default_factory=set)
    roots: dict[int, tuple[int, Quotient]] = field(default_factory=dict)
    """A variable w with wⁿ = base: n and the base."""
    circles: dict[int, int] = field(default_factory=dict)
    """The variable of a sine, by that of the cosine of the same argument: s² = 1 - c²."""
    exponents: dict[int, Quotient] = field(default_factory=dict)
    """A variable that is an exponential: of what."""
    logarithms: dict[int, Quotient] = field(default_factory=dict)
    """A variable that is a logarithm: of what."""
    values: dict[str, list[tuple[tuple[Quotient, ...], int]]] = field(default_factory=dict)
    """The variables that are values of a function, with its arguments."""

    def new(self, name: str, *, positive: bool = False) -> int:
        """Return a new variable."""
        self.names.append(name)
        if positive:
            self.positive.add(len(self.names) - 1)
        return len(self.names) - 1

    def is_zero(self, value: Quotient) -> bool:
        """Return whether a value is 0 by the identities; False says that they do not show it.

        TooLargeError where time is up.
        """
        if time.monotonic() > self.until:
            raise TooLargeError
        rest = value
        for variable in self._bound():
            if len(rest.above) < 2:  # noqa: PLR2004 (a product of variables is 0 for none of their values but 0)
                break
            rest = self._reduced(Quotient(rest.above, {}), variable)
        return not rest.above

    def is_zero_sum(self, terms: Iterable[Quotient]) -> bool:
        """Return whether a sum is 0: where the terms of each denominator are, there is no need of a common one."""
        by_denominator: dict[frozenset[tuple[Factor, int]], list[Quotient]] = {}
        for term in terms:
            by_denominator.setdefault(frozenset(term.below.items()), []).append(term)
        sums = [total(some) for some in by_denominator.values()]
        return all(map(self.is_zero, sums)) or (len(sums) > 1 and self.is_zero(total(sums)))

    def normal(self, value: Quotient) -> Quotient:
        """Return a value with no more powers of roots, and of sines, than the identities leave."""
        above = Quotient(value.above, {})
        for variable in self._bound():
            above = self._reduced(above, variable) if variable in above.variables else above
        return above * Quotient({ONE: Fraction(1)}, value.below)

    def _bound(self) -> list[int]:
        """Return the variables of which an identity holds, the last one first: it may be written with others."""
        return sorted({*self.roots, *self.circles.values()}, reverse=True)

    def _reduced(self, value: Quotient, variable: int) -> Quotient:
        """Return a value with no power of a variable below 0, or that is a power of what it is a root of."""
        degree, base = self.roots.get(variable) or (2, None)
        own = [dict(monomial).get(variable, Fraction(0)) for monomial in value.above]
        least, most = min(own, default=Fraction(0)), max(own, default=Fraction(0))
        if most < degree and least >= 0:
            return value
        if base is None:
            cosine = next(c for c, s in self.circles.items() if s == variable)
            base = Quotient.number(1) - Quotient.variable(cosine, 2)
        parts: dict[int, dict[Monomial, Fraction]] = {}
        for monomial, coefficient in value.above.items():
            count, left = divmod(dict(monomial).get(variable, Fraction(0)), degree)
            rest = tuple(pair for pair in monomial if pair[0] != variable)
            moved = times(rest, ((variable, left),) if left else ONE)
            part = parts.setdefault(int(count), {})
            part[moved] = part.get(moved, Fraction(0)) + coefficient
        below = Quotient({ONE: Fraction(1)}, value.below)
        return total(Quotient(part, {}) * base**count for count, part in parts.items()) * below

    def value(self, name: str, *arguments: Quotient) -> Quotient:
        """Return a function's value as an unknown: the same for the same arguments."""
        if len(arguments) == 1 and name in ODD | EVEN and not arguments[0].above:
            return Quotient.number(0 if name in ODD else 1)
        if (found := self.known(name, *arguments)) is not None:
            return found
        variable = self.new(name)
        self.values.setdefault(name, []).append((arguments, variable))
        return Quotient.variable(variable)

    def known(self, name: str, *arguments: Quotient) -> Quotient | None:
        """Return the unknown that a function's value is already; None where it is new."""
        for own, variable in self.values.get(name, ()):
            if len(own) == len(arguments) and all(self.is_zero(a - b) for a, b in zip(own, arguments, strict=True)):
                return Quotient.variable(variable)
            if len(arguments) == 1 and name in ODD | EVEN and self.is_zero(own[0] + arguments[0]):
                return Quotient.variable(variable).scaled(-1 if name in ODD else 1)
        return None

    def exponential(self, argument: Quotient) -> Quotient:
        """Return exp: a product of powers of the exponentials of the argument's monomials."""
        argument = self.normal(argument)
        if argument.below:
            number = leading(argument.above)
            return self._exponential_of(argument.scaled(1 / number), number)
        found = Quotient.number(1)
        for monomial, coefficient in argument.above.items():
            found = found * self._exponential_term(monomial, coefficient)
        return found

    def _exponential_term(self, monomial: Monomial, coefficient: Fraction) -> Quotient:
        if len(monomial) == 1 and monomial[0][1] == 1 and monomial[0][0] in self.logarithms:
            return self.power(self.logarithms[monomial[0][0]], coefficient)
        return self._exponential_of(Quotient({monomial: Fraction(1)}, {}), coefficient)

    def _exponential_of(self, argument: Quotient, exponent: Fraction) -> Quotient:
        for variable, own in self.exponents.items():
            if self.is_zero(own - argument):
                return Quotient.variable(variable, exponent)
        variable = self.new("exp", positive=True)
        self.exponents[variable] = argument
        return Quotient.variable(variable, exponent)

    def is_positive(self, value: Quotient) -> bool:
        """Return whether a value is positive whatever its variables are, as far as its form shows."""
        factors = (value.above, *map(dict, value.below))
        return self.is_nonnegative(value) and all(map(self._has_positive_term, factors))

    def is_nonnegative(self, value: Quotient) -> bool:
        """Return whether a value is not negative where it is defined, as far as its form shows."""
        return bool(value.above) and all(
            coefficient > 0 and all(self._is_nonnegative(*pair) for pair in monomial)
            for polynomial in (value.above, *map(dict, value.below))
            for monomial, coefficient in polynomial.items()
        )

    def sign_of(self, monomial: Monomial) -> int:
        """Return the sign of a monomial where it is not 0; 0 where it is not known."""
        sign = 1
        for variable, exponent in monomial:
            if variable in self.negative and exponent.denominator == 1:
                sign *= 1 if exponent % 2 == 0 else -1
            elif not self._is_nonnegative(variable, exponent):
                return 0
        return sign

    def _is_nonnegative(self, variable: int, exponent: Fraction) -> bool:
        even = exponent.denominator == 1 and exponent % 2 == 0
        degree = self.roots.get(variable, (1, None))[0]
        return even or variable in self.positive or degree % 2 == 0

    def _has_positive_term(self, polynomial: dict[Monomial, Fraction]) -> bool:
        return any(all(variable in self.positive for variable, _ in monomial) for monomial in polynomial)

    def logarithm(self, argument: Quotient) -> Quotient:
        """Return log: a sum of logarithms of factors that are known to be positive, and of what is left."""
        argument = self.normal(argument)
        constant = argument.constant
        if constant is not None:
            if constant <= 0:
                raise UndefinedError
            return self._logarithm_of_number(constant)
        if not argument.above:
            raise UndefinedError
        divisor = tuple(pair for pair in common(argument.above) if pair[0] in self.positive)
        number = abs(leading(argument.above))
        inverse = power(divisor, Fraction(-1))
        rest = Quotient({times(m, inverse): c / number for m, c in argument.above.items()}, argument.below)
        found = self._logarithm_of_number(number)
        for variable, exponent in divisor:
            found = found + self._logarithm_of_variable(variable).scaled(exponent)
        if rest.constant == 1:
            return found
        parts = [(Quotient(dict(factor), {}), count) for factor, count in rest.below.items()]
        if all(self.is_positive(part) for part, _ in parts):
            found = found - total(self._logarithm_of(part).scaled(count) for part, count in parts)
            rest = Quotient(rest.above, {})
        return found if rest.constant == 1 else found + self._logarithm_of(rest)

    def _logarithm_of_number(self, number: Fraction) -> Quotient:
        parts = [(p, e) for p, e in factored(number.numerator)] + [(p, -e) for p, e in factored(number.denominator)]
        return total(self._logarithm_of(Quotient.number(prime)).scaled(count) for prime, count in parts)

    def _logarithm_of_variable(self, variable: int) -> Quotient:
        own = self.exponents.get(variable)
        return self._logarithm_of(Quotient.variable(variable)) if own is None else own

    def _logarithm_of(self, argument: Quotient) -> Quotient:
        for variable, own in self.logarithms.items():
            if self.is_zero(own - argument):
                return Quotient.variable(variable)
        variable = self.new("log")
        self.logarithms[variable] = argument
        return Quotient.variable(variable)

    def power(self, base: Quotient, exponent: Fraction) -> Quotient:
        """Return a power with a rational exponent."""
        if exponent.denominator == 1:
            return base ** int(exponent)
        whole = exponent.numerator // exponent.denominator
        part = exponent - whole
        return (base**whole if whole else Quotient.number(1)) * self._root(base, part.denominator) ** part.numerator

    def _root(self, base: Quotient, degree: int) -> Quotient:
        """Return the root of what is not negative: of a positive product, the product of the roots."""
        base = self.normal(base)
        if not base.above:
            return base
        number, divisor = abs(leading(base.above)), common(base.above)
        taken, sign = self._rooted(divisor, degree)
        inverse = power(taken, Fraction(-1))
        rest = Quotient({times(m, inverse): c / number for m, c in base.above.items()}, base.below)
        root = Quotient({power(taken, Fraction(1, degree)): Fraction(sign)}, {})
        found = self._root_of_number(number, degree) * root
        if rest.constant is not None:
            if rest.constant != 1:
                raise UndefinedError
            return found
        return found * self._root_of(rest, degree)

    def _rooted(self, divisor: Monomial, degree: int) -> tuple[Monomial, int]:
        """Return the part of a monomial whose root is a monomial, and the sign of that: √x² is -x for a negative x."""
        squares = [(v, e) for v, e in divisor if v in self.negative and (e / degree).denominator == 1 and e % 2 == 0]
        odd = sum(e / degree % 2 == 1 for _, e in squares)
        taken = tuple(pair for pair in divisor if pair[0] in self.positive or pair in squares)
        return taken, -1 if odd % 2 else 1

    def _root_of_number(self, number: Fraction, degree: int) -> Quotient:
        found = Quotient.number(Fraction(1, number.denominator))
        for prime, count in factored(number.numerator * number.denominator ** (degree - 1)):
            whole, rest = divmod(count, degree)
            found = found.scaled(prime**whole)
            found = found * self._root_of(Quotient.number(prime), degree) ** rest if rest else found
        return found

    def _root_of(self, base: Quotient, degree: int) -> Quotient:
        same = {variable: value for variable, (own, value) in self.roots.items() if own == degree}
        for variable, value in same.items():
            if self.is_zero(value - base):
                return Quotient.variable(variable)
        for one, other in itertools.permutations(same, 2):  # what is under each root is not negative
            if self.is_zero(same[one] * base - same[other]):
                return Quotient.variable(other) / Quotient.variable(one)
            if self.is_zero(same[one] * same[other] - base):
                return Quotient.variable(one) * Quotient.variable(other)
        variable = self.new("root")
        self.roots[variable] = (degree, base)
        return Quotient.variable(variable)

    def sine(self, argument: Quotient) -> Quotient:
        """Return sin, with its square as that of the cosine."""
        return self._circle(argument)[0]

    def cosine(self, argument: Quotient) -> Quotient:
        """Return cos."""
        return self._circle(argument)[1]

    def _circle(self, argument: Quotient) -> tuple[Quotient, Quotient]:
        if not argument.above:
            return Quotient.number(0), Quotient.number(1)
        cosine, sine = self.value("cos", argument), self.value("sin", argument)
        (monomial,) = cosine.above
        (other,) = sine.above
        self.circles[monomial[0][0]] = other[0][0]
        return sine, cosine
