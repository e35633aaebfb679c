"""The adjoint system of an implicit definition: its Jacobian, and the structure that index notation shows of it."""

from __future__ import annotations

from collections.abc import Mapping

from sympy import Abs, Expr, KroneckerDelta, Mul, Piecewise, Symbol

from gradcli.derivation.linear_system import Coupling, LinearSystem
from gradcli.derivation.tensor_program import COTANGENT, TensorProgram
from gradcli.symbolic.derive.differentiate import (
    ADJOINT_LABELS,
    Jacobian,
    jacobian,
    readings,
    remove_deltas,
    vector_jacobian_product,
)
from gradcli.symbolic.derive.entries import Entry, factors, index_labels, labels, names_of, read
from gradcli.symbolic.derive.families import family
from gradcli.symbolic.derive.lowering import lower

Operands = Mapping[str, str]
Sizes = Mapping[str, tuple[str, int]]


def linear_system(entry: Entry, operands: Operands, sizes: Sizes, unknown: str) -> LinearSystem:
    """Return the system that the adjoint of an entry solves, which is 0 at `unknown`."""
    rank = len(operands[unknown])
    found = jacobian(entry, unknown, rank)
    residual = names_of(entry.out)
    upstream = {**operands, COTANGENT: residual}
    lengths = {**{letter: (COTANGENT, axis) for axis, letter in enumerate(residual)}, **sizes}
    return LinearSystem(
        lower(found.entry, operands, sizes),
        tuple((row.name, column.name) for row, column in found.pairs),
        names_of(found.rows),
        names_of(found.columns),
        residual,
        ADJOINT_LABELS[:rank],
        lower(vector_jacobian_product(entry, unknown, rank), upstream, lengths),
        lower(_magnitudes(entry, unknown, rank), upstream, lengths),
        _couplings(entry, found, operands, sizes, unknown),
        family(found, operands, sizes),
    )


def _magnitude(expression: Expr) -> Expr:
    """Return a product with the magnitude of each factor; a mask and a delta are not negative."""
    return Mul(*[part if _is_mask(part) else Abs(part) for part in factors(expression)])


def _is_mask(part: Expr) -> bool:
    if isinstance(part, Piecewise):
        return all(branch.expr.is_nonnegative for branch in part.args)
    return isinstance(part, KroneckerDelta)


def _magnitudes(entry: Entry, unknown: str, rank: int) -> Entry:
    """Return Σ cotangent[out] · |∂entry[out]/∂unknown[A, B, …]|, with each term's magnitude."""
    out = labels(ADJOINT_LABELS[:rank])
    upstream = read(COTANGENT, names_of(entry.out))
    terms = [
        remove_deltas(upstream * _magnitude(place.derivative), place.indices, out, index_labels(term) | set(entry.out))
        for term, place in readings(entry, unknown)
    ]
    return Entry(tuple(term for term in terms if term != 0), out)


def _couplings(entry: Entry, found: Jacobian, operands: Operands, sizes: Sizes, unknown: str) -> tuple[Coupling, ...]:
    """Return how slices along a label of the residual depend on those along the unknown's label in the same place."""
    targets = labels(ADJOINT_LABELS[: len(operands[unknown])])
    sides = [(r, c) for r, c in zip(entry.out, targets, strict=False) if r in found.rows and c in found.columns]
    return tuple(
        Coupling(row.name, column.name, _strength(entry, unknown, (row, column), targets, operands, sizes))
        for row, column in sides
    )


def _strength(  # noqa: PLR0917 (a definition's parts)
    entry: Entry,
    unknown: str,
    kept: tuple[Symbol, Symbol],
    targets: tuple[Symbol, ...],
    operands: Operands,
    sizes: Sizes,
) -> TensorProgram:
    everything = {*entry.out, *targets}
    terms = [
        remove_deltas(
            _magnitude(place.derivative), place.indices, targets, (index_labels(term) | everything) - set(kept)
        )
        for term, place in readings(entry, unknown)
    ]
    return lower(Entry(tuple(terms), kept), operands, sizes)
