"""What has the sign of a difference, and is simpler: exponents, what is under roots, and powers."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradcli.symbolic.prove.polynomials import ONE, Monomial, Quotient, common, leading
from gradcli.symbolic.prove.unknowns import Unknowns


def exponent_of(unknowns: Unknowns, value: Quotient) -> Quotient | None:
    """Return, of a multiple of E - 1, where E is a power of an exponential, that of its exponent; else None."""
    exponential = value.variables
    if len(exponential) != 1 or value.below or set(map(len, value.above)) != {0, 1}:
        return None
    (variable,) = exponential
    terms = [(monomial[0][1], coefficient) for monomial, coefficient in value.above.items() if monomial]
    if variable not in unknowns.exponents or len(terms) != 1 or terms[0][1] != -value.above[ONE]:
        return None
    power, coefficient = terms[0]
    return unknowns.exponents[variable].scaled(power * coefficient)


def under_a_root(unknowns: Unknowns, value: Quotient) -> Quotient | None:
    """Return, of a multiple of a root, that of what it is the root of, which is 0 where that is; else None."""
    if len(value.above) != 1 or value.below:
        return None
    (monomial,) = value.above
    roots = unknowns.roots
    own = [(v, e) for v, e in monomial if v not in unknowns.positive and not _is_root_of_a_number(unknowns, v)]
    if len(own) != 1 or own[0][1] <= 0 or own[0][0] not in roots:
        return None
    return roots[own[0][0]][1].scaled(1 if leading(value.above) > 0 else -1)


def _is_root_of_a_number(unknowns: Unknowns, variable: int) -> bool:
    _, base = unknowns.roots.get(variable, (1, None))
    return base is not None and (base.constant or 0) > 0


def unsigned(unknowns: Unknowns, value: Quotient) -> Iterator[int]:
    """Yield variables whose sign decides what a root is: squares under it, and what is compared as a multiple of it."""
    for variable in value.variables & unknowns.roots.keys():
        under = common(unknowns.roots[variable][1].above)
        yield from (v for v, e in under if e % 2 == 0 and not unknowns.sign_of(((v, e / e),)))
    monomial = _term(value)
    if monomial is not None and _degrees(unknowns, monomial):
        yield from (v for v, e in monomial if not unknowns.sign_of(((v, e),)))


def as_powers(unknowns: Unknowns, value: Quotient) -> Quotient | None:
    """Return aⁿ - bⁿ in the place of a - b: where a has a root, b is a number, and neither is negative; else None."""
    monomial = _term(value)
    if monomial is None:
        return None
    degrees, sign = _degrees(unknowns, monomial), unknowns.sign_of(monomial)
    first, number = value.above[monomial] * sign, value.above[ONE]
    if not degrees or first * number >= 0:
        return None
    degree = math.lcm(*degrees)
    power = Quotient({monomial: abs(first) * sign}, {}) ** degree
    difference = unknowns.normal(power) - Quotient.number(abs(number) ** degree)
    return difference.scaled(1 if first > 0 else -1)


def _term(value: Quotient) -> Monomial | None:
    """Return the only monomial beside a number; None where there is no number, or are several monomials."""
    if len(value.above) != 2 or value.below or ONE not in value.above:  # noqa: PLR2004 (one, and the number)
        return None
    (monomial,) = value.above.keys() - {ONE}
    return monomial


def _degrees(unknowns: Unknowns, monomial: Monomial) -> list[int]:
    return [unknowns.roots[variable][0] for variable, _ in monomial if variable in unknowns.roots]
