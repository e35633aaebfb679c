"""The derivative of an entry, by sympy: vector-Jacobian products and Jacobians in index notation.

The derivative of a term with respect to `x[P, Q]` is a sum over the places `x[i, j]` where the term reads x:
sympy's derivative with respect to that place, times δ(i, P) δ(j, Q). A delta whose index is summed is removed by
substitution, which is exact here because a label ranges over the whole axis that it names.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import sympy
from sympy import DiracDelta, Dummy, Eq, Expr, Integer, KroneckerDelta, Mul, Piecewise, Symbol, nan

from gradcli.derivation.tensor_program import COTANGENT
from gradcli.symbolic.derive.entries import Entry, atoms, delta, factors, index_labels, labels, names_of, read

ADJOINT_LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A term's derivative with respect to one place where it reads a tensor, and that place's indices."""

    derivative: Expr
    indices: tuple[Expr, ...]


def places(term: Expr, name: str) -> list[Occurrence]:
    """Return the derivative of a term with respect to each place where it reads `name`."""
    found = []
    for atom in atoms(term, name):
        value = Dummy(real=True)
        derivative = with_less_power(_without_impulses(term.xreplace({atom: value}).diff(value))).xreplace(
            {value: atom}
        )
        if derivative != 0:
            found.append(Occurrence(derivative, tuple(getattr(atom, "indices", ()))))
    return found


def _without_impulses(derivative: Expr) -> Expr:
    """Return a derivative without Dirac's delta: where a function jumps it has none, and elsewhere the delta is 0."""
    if not derivative.has(DiracDelta):
        return derivative
    found = derivative.atoms(DiracDelta)
    return derivative.xreplace(
        {impulse: Piecewise((nan, Eq(impulse.args[0], 0)), (Integer(0), True)) for impulse in found}
    )


def with_less_power(derivative: Expr) -> Expr:
    """Return a derivative with x**(y - 1) for x**y/x, which sympy makes of a power, and which is 0/0 at 0."""

    def joined(product: Expr) -> Expr:
        found = product
        for power in product.args:
            base, exponent = power.as_base_exp()
            if not exponent.is_number and not base.is_number and 1 / base in product.args:
                found = found / power * base * sympy.Pow(base, exponent - 1)
        return found

    whole: Expr = derivative.replace(lambda part: part.is_Mul, joined)
    return whole


@lru_cache(maxsize=4096)
def vector_jacobian_product(entry: Entry, name: str, rank: int, cotangent: str = COTANGENT) -> Entry:
    """Return the entry of Σ cotangent[out] · ∂entry[out]/∂name[A, B, …], a tensor of `name`'s rank."""
    out = labels(ADJOINT_LABELS[:rank])
    upstream = read(cotangent, names_of(entry.out))
    terms = [
        remove_deltas(upstream * place.derivative, place.indices, out, index_labels(term) | set(entry.out))
        for term, place in readings(entry, name)
    ]
    return Entry(tuple(term for term in terms if term != 0), out)


def readings(entry: Entry, name: str) -> list[tuple[Expr, Occurrence]]:
    """Return the derivative with respect to each place where an entry reads `name`, with the term that it is in."""
    return [(term, place) for term in entry.terms for place in places(term, name)]


def remove_deltas(body: Expr, indices: tuple[Expr, ...], out: tuple[Symbol, ...], summed: set[Symbol]) -> Expr:
    """Return Σ body · Π δ(indices, out), with every delta that holds a summed label substituted away."""
    deltas = [delta(index, target) for index, target in zip(indices, out, strict=True)]
    deltas += [factor for factor in factors(body) if isinstance(factor, KroneckerDelta)]
    body = Mul(*[factor for factor in factors(body) if not isinstance(factor, KroneckerDelta)])
    summed = set(summed)
    while found := _removable(deltas, summed):
        index, other, used = found
        summed.remove(index)
        body = body.xreplace({index: other})
        deltas = [factor.xreplace({index: other}) for factor in deltas if factor is not used]
    # A label that is summed but that nothing depends on counts the length of its axis; lowering needs to see it.
    body = Mul(body, *deltas)
    unused = sorted(summed - index_labels(body), key=str)
    return Mul(body, *[Length(symbol) for symbol in unused])


def _removable(deltas: list[Expr], summed: set[Symbol]) -> tuple[Symbol, Expr, Expr] | None:
    """Return a summed label, what a delta sets it equal to, and that delta; or None."""
    for factor in deltas:
        for index, other in (factor.args, factor.args[::-1]):
            if index in summed:
                return index, other, factor
    return None


class Length(Symbol):
    """The length of the axis that a label names."""

    __slots__ = ()

    def __new__(cls, axis: Symbol) -> Self:
        """Return the length of the axis called `axis`."""
        made: Self = Symbol.__new__(cls, f"length_{axis.name}", positive=True)
        return made


@dataclass(frozen=True, slots=True)
class Jacobian:
    """∂residual/∂unknown as an entry over `batch`, then `rows` (residual), then `columns` (unknown).

    `pairs` are the (residual label, unknown label) that a common delta sets equal: the system splits along them.
    """

    entry: Entry
    pairs: tuple[tuple[Symbol, Symbol], ...]
    rows: tuple[Symbol, ...]
    columns: tuple[Symbol, ...]


def jacobian(entry: Entry, name: str, rank: int) -> Jacobian:
    """Return the Jacobian of an entry with respect to `name`, with the axes along which it is diagonal taken apart."""
    unknown = labels(ADJOINT_LABELS[:rank])
    found = readings(entry, name)
    common = _common_pairs([place.indices for _, place in found], unknown, set(entry.out))
    terms = []
    for term, place in found:
        free = set(entry.out)
        summed = index_labels(term) - free
        rest = [(i, u) for i, u in zip(place.indices, unknown, strict=True) if (i, u) not in common]
        terms.append(remove_deltas(place.derivative, tuple(i for i, _ in rest), tuple(u for _, u in rest), summed))
    rows = tuple(symbol for symbol in entry.out if symbol not in {r for r, _ in common})
    columns = tuple(symbol for symbol in unknown if symbol not in {u for _, u in common})
    used = set().union(*(index_labels(term) for term in terms)) if terms else set()
    batch = tuple(row for row, _ in common if row in used)
    return Jacobian(Entry(tuple(terms), batch + rows + columns), common, rows, columns)


def _common_pairs(
    indices: list[tuple[Expr, ...]], unknown: tuple[Symbol, ...], free: set[Symbol]
) -> tuple[tuple[Symbol, Symbol], ...]:
    pairs = []
    for position, target in enumerate(unknown):
        seen = {place[position] for place in indices}
        if len(seen) == 1 and next(iter(seen)) in free:
            pairs.append((next(iter(seen)), target))
    # One residual axis can pair with one unknown axis only.
    return tuple(pair for number, pair in enumerate(pairs) if pair[0] not in {earlier for earlier, _ in pairs[:number]})
