"""Jacobians that are one matrix an index, all of them combinations of a few: A - λ[j] for every eigenvalue λ[j]."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sympy import Expr, Mul, Symbol

from gradcli.derivation.linear_system import Family, Product
from gradcli.derivation.tensor_program import TensorProgram
from gradcli.symbolic.derive.differentiate import Jacobian
from gradcli.symbolic.derive.entries import Entry, factors, index_labels, names_of
from gradcli.symbolic.derive.lowering import lower


@dataclass(frozen=True, slots=True)
class _Parts:
    """A term's factors by what they depend on: the row label, the column label, both, or neither."""

    both: tuple[Expr, ...]
    row: tuple[Expr, ...]
    column: tuple[Expr, ...]
    neither: tuple[Expr, ...]


def family(found: Jacobian, operands: Mapping[str, str], sizes: Mapping[str, tuple[str, int]]) -> Family | None:
    """Return the matrices that a Jacobian's terms share; None if it is a single matrix, or has none to share."""
    if len(found.rows) != 1 or len(found.columns) != 1:
        return None
    row, column = found.rows[0], found.columns[0]
    diagonal = [symbol for symbol in found.entry.out if symbol not in {row, column}]
    split = [_split(term, set(found.entry.out), row, column) for term in found.entry.terms]
    matrices = [Mul(*parts.both, *parts.row, *parts.column) for parts in split if parts.both]
    used = set().union(*(index_labels(matrix) for matrix in matrices)) if matrices else set()
    batch = tuple(symbol for symbol in diagonal if symbol in used)
    members = tuple(symbol for symbol in diagonal if symbol not in used)
    if not members or not matrices:
        return None

    def product(left: Expr, right: Expr, ends: tuple[tuple[Symbol, ...], tuple[Symbol, ...]]) -> Product:
        programs: list[TensorProgram] = [
            lower(Entry((part,), out), operands, sizes) for part, out in zip((left, right), ends, strict=True)
        ]
        return Product(*programs)

    shared = ((*batch, row, column), (*batch, *members))
    dyad = ((*batch, *members, row), (*batch, *members, column))
    return Family(
        names_of(batch),
        names_of(members),
        tuple(
            product(matrix, Mul(*parts.neither), shared)
            for matrix, parts in zip(matrices, (parts for parts in split if parts.both), strict=True)
        ),
        tuple(product(Mul(*parts.row, *parts.neither), Mul(*parts.column), dyad) for parts in split if not parts.both),
    )


def _split(term: Expr, free: set[Symbol], row: Symbol, column: Symbol) -> _Parts:
    found: dict[tuple[bool, bool], list[Expr]] = {}
    for part in _connected(factors(term), free):
        own = index_labels(part)
        found.setdefault((row in own, column in own), []).append(part)
    keys = ((True, True), (True, False), (False, True), (False, False))
    return _Parts(*(tuple(found.get(key, ())) for key in keys))


def _connected(parts: Iterable[Expr], free: set[Symbol]) -> list[Expr]:
    """Return factors multiplied together where a label that is summed connects them."""
    groups: list[tuple[Expr, set[Symbol]]] = []
    for part in parts:
        summed = index_labels(part) - free
        touched = [group for group in groups if group[1] & summed]
        groups = [group for group in groups if group not in touched]
        groups.append((Mul(part, *[group[0] for group in touched]), summed.union(*(group[1] for group in touched))))
    return [part for part, _ in groups]
