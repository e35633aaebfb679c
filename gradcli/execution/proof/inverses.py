"""Inverse matrices on a circuit: each entry of an inverse is one function of all entries of the matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.proof.circuit import Circuit, Entries

# Ops that an equation with a matrix defines, and ATen's calls that factorise a matrix to solve one.
NAMES = frozenset({"_solve", "linalg.inv"})
FACTORISED, BY_FACTORS = "_linalg_solve_ex", "linalg_lu_solve"
FACTOR, PIVOT = "factor", "pivot"


def run(circuit: Circuit, name: str, matrix: Entries, *others: Entries) -> Entries:
    """Return the result of an op that an equation with a matrix defines."""
    found = inverse(circuit, matrix)
    return found if name == "linalg.inv" else product(circuit, found, *others)


def inverse(circuit: Circuit, matrix: Entries) -> Entries:
    """Return the inverse of each matrix: an entry is a node of its place and of all entries of the matrix."""
    return _of_matrices(circuit, "inverse", matrix)


def product(circuit: Circuit, one: Entries, other: Entries) -> Entries:
    """Return products of matrices."""
    batch = torch.broadcast_shapes(one.shape[:-2], other.shape[:-2])
    rows = one.codes.expand(*batch, *one.shape[-2:])
    columns = other.codes.mT.expand(*batch, *other.shape[-1:], *other.shape[-2:-1])
    left = rows.unsqueeze(-2).expand(*batch, rows.shape[-2], columns.shape[-2], rows.shape[-1])
    right = columns.unsqueeze(-3).expand(left.shape)
    lines = zip(left.reshape(-1, left.shape[-1]), right.reshape(-1, left.shape[-1]), strict=True)
    nodes = [_sum_of_products(circuit, circuit.decoded(row), circuit.decoded(column)) for row, column in lines]
    return Entries(Circuit.codes(nodes, left.shape[:-1]))


def _sum_of_products(circuit: Circuit, row: Sequence[int], column: Sequence[int]) -> int:
    zero = circuit.number(0)
    pairs = [pair for pair in zip(row, column, strict=True) if zero not in pair]
    return circuit.node("sum", *(circuit.node("mul", *pair) for pair in pairs))


def factorised(circuit: Circuit, matrix: Entries, solution: Entries) -> tuple[Entries, Entries, Entries, Tensor]:
    """Return a solution with factors and pivots of its matrix, of which all that is known is what they are of."""
    factors = _of_matrices(circuit, FACTOR, matrix)
    pivots = Entries(_of_matrices(circuit, PIVOT, matrix).codes[..., 0])
    return solution, factors, pivots, torch.zeros(matrix.shape[:-2], dtype=torch.int32)


def solved_by_factors(circuit: Circuit, factors: Any, pivots: Any, given: Entries, **how: bool) -> Entries | None:
    """Return the solution of an equation with the matrix that some factors are of; None where they are of none."""
    matrix = _matrix_of(circuit, factors, pivots)
    if matrix is None:
        return None
    found = inverse(circuit, matrix)
    found = Entries(found.codes.mT) if how.get("adjoint") else found
    return product(circuit, found, given) if how.get("left", True) else product(circuit, given, found)


def _of_matrices(circuit: Circuit, name: str, matrix: Entries) -> Entries:
    """Return nodes of a place and of all entries of a matrix, for each place of each matrix."""
    size = matrix.shape[-1]
    places = [(circuit.number(i), circuit.number(j)) for i in range(size) for j in range(size)]
    nodes = []
    for codes in matrix.codes.reshape(-1, size * size):
        own = circuit.decoded(codes)
        nodes += [circuit.node(name, *place, *own) for place in places]
    return Entries(Circuit.codes(nodes, matrix.shape))


def _matrix_of(circuit: Circuit, factors: Any, pivots: Any) -> Entries | None:
    if not isinstance(factors, Entries) or not isinstance(pivots, Entries):
        return None
    size = factors.shape[-1]
    found: list[int] = []
    for codes in factors.codes.reshape(-1, size * size):
        name, _, _, *own = circuit.nodes[circuit.decoded(codes)[0]]
        found += [int(node) for node in own] if name == FACTOR else []
    if len(found) != factors.codes.numel():
        return None
    matrix = Entries(Circuit.codes(found, factors.shape))
    same = _of_matrices(circuit, FACTOR, matrix).codes, _of_matrices(circuit, PIVOT, matrix).codes[..., 0]
    return matrix if all(map(torch.equal, same, (factors.codes, pivots.codes))) else None
