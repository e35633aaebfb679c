"""Families of matrices that are combinations of a few shared ones, solved in the basis that makes these diagonal.

Each of the family is a diagonal matrix there, and a few dyads. The entries of the diagonal that are nearest to 0 stay
unknowns, for one of them may be 0; the others are eliminated, which leaves a small system for each of the family.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.derivation.linear_system import Family
from gradcli.derivation.tensor_program import TensorProgram
from gradcli.execution.reference.systems.problem import SINGULAR, Problem, UndecidedError, solved
from gradcli.execution.reference.tensor_eval import evaluate

# How many entries of each diagonal stay unknowns, beside one for each dyad.
KEPT = 8
# What may be left beside the diagonals, relative to the largest entry: refinement makes up for it.
BESIDE = 1e-8
# The weights by which the shared matrices are added up: a basis that makes such a sum diagonal makes them diagonal.
RATIO = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class SharedBasis:
    """The transposed matrices of a family: basis · (diagonal + Σ column rowᵀ) · basisᵀ, over (batch, family, …)."""

    basis: Tensor
    diagonal: Tensor
    columns: Tensor
    """The left vectors of the dyads in the basis, one after another in the last axis."""
    rows: Tensor
    """Their right vectors."""

    def solve(self, right: Tensor) -> Tensor:
        """Return the solutions for right sides, one a matrix: (batch, family, unknown)."""
        given = right @ self.basis
        count = min(KEPT + self.rows.shape[-1], given.shape[-1])
        kept = self.diagonal.abs().topk(count, largest=False, sorted=False).indices
        inverse = self._inverse(kept, given)
        small, weights = self._small_system(kept, inverse, given)
        found = solved(small, weights.unsqueeze(-1)).squeeze(-1)
        own, sums = found[..., :count], found[..., count:]
        others = inverse * (given - torch.einsum("bfas,bfs->bfa", self.columns, sums))
        return others.scatter(-1, kept, own) @ self.basis.mT

    def _inverse(self, kept: Tensor, given: Tensor) -> Tensor:
        """Return 1 over the entries of the diagonals that are eliminated, and 0 for the others.

        UndecidedError if a gradient arrives at a matrix with more zeros there than dyads could make up for.
        """
        inverse = (1 / self.diagonal).scatter(-1, kept, 0.0)
        least = torch.finfo(inverse.dtype).eps * self.diagonal.abs().amax(-1)
        singular = inverse.abs().amax(-1) * least >= 1
        if bool((singular & given.any(-1)).any()):
            raise UndecidedError(SINGULAR)
        return inverse.masked_fill(singular.unsqueeze(-1), 0.0)

    def _small_system(self, kept: Tensor, inverse: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return the system of the kept unknowns, and of what each dyad's row makes of all unknowns."""
        place = kept.unsqueeze(-1).expand(*kept.shape, self.rows.shape[-1])
        columns, rows = self.columns.gather(-2, place), self.rows.gather(-2, place)
        scaled = inverse.unsqueeze(-1) * self.rows
        one = torch.eye(self.rows.shape[-1], dtype=inverse.dtype)
        above = torch.cat([torch.diag_embed(self.diagonal.gather(-1, kept)), columns], -1)
        below = torch.cat([rows.mT, -one - scaled.mT @ self.columns], -1)
        weights = -(scaled.mT @ given.unsqueeze(-1)).squeeze(-1)
        return torch.cat([above, below], -2), torch.cat([given.gather(-1, kept), weights], -1)


def shared_basis(problem: Problem, family: Family) -> Callable[[Tensor], Tensor] | None:
    """Return what solves a family for any right side; None if no basis makes all its matrices diagonal."""
    operands = dict(problem.operands)
    matrices = [evaluate(one.left, operands) for one in family.shared]
    size = matrices[0].shape[-1]
    matrices = [matrix.reshape(-1, size, size) for matrix in matrices]
    found = _diagonal_in(matrices)
    if found is None:
        return None
    basis, diagonals = found
    count = len(basis)
    weights = [evaluate(one.right, operands).reshape(count, -1) for one in family.shared]
    diagonal = sum(
        (w.unsqueeze(-1) * d.unsqueeze(-2) for w, d in zip(weights, diagonals, strict=True)), torch.zeros(())
    )
    assert isinstance(diagonal, Tensor)  # noqa: S101 (there is a shared matrix)
    ends = [[_in_basis(end, operands, basis) for end in (one.right, one.left)] for one in family.dyads]
    none = diagonal.new_zeros(*diagonal.shape, 0)
    columns, rows = (torch.cat([none, *(pair[side] for pair in ends)], -1) for side in (0, 1))
    return _solver(problem, SharedBasis(basis, diagonal, columns, rows))


def _solver(problem: Problem, shared: SharedBasis) -> Callable[[Tensor], Tensor]:
    count, size = shared.basis.shape[:2]

    def solve(right: Tensor) -> Tensor:
        flat = problem.flat_right(right)  # (batch and family, unknown, 1)
        solution = shared.solve(flat.reshape(count, -1, size))
        return problem.whole_solution(solution.reshape(flat.shape))

    return solve


def _diagonal_in(matrices: list[Tensor]) -> tuple[Tensor, list[Tensor]] | None:
    """Return the orthogonal basis that makes symmetric matrices diagonal, and the diagonals; None if none does."""
    largest = [float(matrix.abs().max()) or 1.0 for matrix in matrices]
    total = sum((matrix * (RATIO**n / one) for n, (matrix, one) in enumerate(zip(matrices, largest, strict=True))), 0.0)
    assert isinstance(total, Tensor)  # noqa: S101 (there is a shared matrix)
    basis = torch.linalg.eigh((total + total.mT) / 2).eigenvectors
    diagonals = []
    for matrix, one in zip(matrices, largest, strict=True):
        inside = basis.mT @ matrix @ basis
        diagonals.append(inside.diagonal(dim1=-2, dim2=-1).clone())
        inside.diagonal(dim1=-2, dim2=-1).zero_()
        if not float(inside.abs().max()) <= BESIDE * one:
            return None
    return basis, diagonals


def _in_basis(program: TensorProgram, operands: dict[str, Tensor], basis: Tensor) -> Tensor:
    """Return a dyad's vectors, one a matrix, in the basis: (batch, family, unknown, 1)."""
    vectors = evaluate(program, operands)
    count, size = basis.shape[:2]
    if vectors.ndim > 1 and vectors.stride(-2) == 0 and count == 1:  # the same for the whole family
        return (vectors[..., :1, :].reshape(1, -1, size)[:, :1] @ basis).expand(1, vectors.numel() // size, size)[
            ..., None
        ]
    return (vectors.reshape(count, -1, size) @ basis).unsqueeze(-1)
