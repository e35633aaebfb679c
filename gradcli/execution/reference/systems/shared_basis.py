"""Families of matrices that are combinations of a few shared ones, solved in the basis that makes these diagonal.

Each of the family is a diagonal matrix there, and a few dyads. The entries of the diagonal that are nearest to 0 stay
unknowns, for one of them may be 0; the others are eliminated, which leaves a small system for each of the family.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    """The matrices of a family: basis · (diagonal + Σ row columnᵀ) · inverse, over (batch, family, …).

    The basis of matrices that are not symmetric is complex.
    """

    basis: Tensor
    inverse: Tensor
    diagonal: Tensor
    columns: Tensor
    """The left vectors of the transposed dyads in the basis, one after another in the last axis."""
    rows: Tensor
    """Their right vectors."""

    def solve(self, right: Tensor) -> Tensor:
        """Return the transposed matrices' solutions for right sides, one a matrix: (batch, family, unknown)."""
        given = _product(right, self.basis)
        count = min(KEPT + self.rows.shape[-1], given.shape[-1])
        kept = self.diagonal.abs().topk(count, largest=False, sorted=False).indices
        inverse = self._reciprocals(kept, given)
        small, weights = self._small_system(kept, inverse, given)
        found = solved(small, weights.unsqueeze(-1)).squeeze(-1)
        own, sums = found[..., :count], found[..., count:]
        others = inverse * (given - torch.einsum("bfas,bfs->bfa", self.columns, sums))
        return _real_product(others.scatter(-1, kept, own), self.inverse)

    def _reciprocals(self, kept: Tensor, given: Tensor) -> Tensor:
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


def shared_basis(problem: Problem, family: Family) -> SharedBasis | None:
    """Return a family in the basis that makes all its matrices diagonal; None if there is none."""
    operands = dict(problem.operands)
    matrices = [evaluate(one.left, operands) for one in family.shared]
    size = matrices[0].shape[-1]
    matrices = [matrix.reshape(-1, size, size) for matrix in matrices]
    found = _diagonal_in(matrices)
    if found is None:
        return None
    basis, inverse, diagonals = found
    count = len(basis)
    weights = [evaluate(one.right, operands).reshape(count, -1) for one in family.shared]
    diagonal = torch.stack([w.unsqueeze(-1) * d.unsqueeze(-2) for w, d in zip(weights, diagonals, strict=True)]).sum(0)
    ends = [(_in_basis(one.right, operands, basis), _in_basis(one.left, operands, inverse.mT)) for one in family.dyads]
    none = diagonal.new_zeros(*diagonal.shape, 0)
    columns, rows = (torch.cat([none, *(pair[side] for pair in ends)], -1) for side in (0, 1))
    return SharedBasis(basis, inverse, diagonal, columns, rows)


def in_basis(problem: Problem, shared: SharedBasis, right: Tensor, *, refined: bool = True) -> Tensor:
    """Return λ of a family, for any right side; once refined, for a basis is never exact to the last digits."""
    count, size = shared.basis.shape[:2]

    def once(right: Tensor) -> Tensor:
        flat = problem.flat_right(right)  # (batch and family, unknown, 1)
        solution = shared.solve(flat.reshape(count, -1, size))
        return problem.whole_solution(solution.reshape(flat.shape))

    solution = once(right)
    return solution + once(right - problem.product(solution)) if refined else solution


def _diagonal_in(matrices: Sequence[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]] | None:
    """Return the basis that makes matrices diagonal, its inverse, and the diagonals; None if none does."""
    weights = [RATIO**n / (float(matrix.abs().max()) or 1.0) for n, matrix in enumerate(matrices)]
    known = _eigenvectors(_sum(weights, matrices))
    if known is None:
        return None
    values, basis, inverse = known
    images = _images(weights, matrices, values.unsqueeze(-2) * basis, basis)
    diagonals = [(inverse.mT * image).sum(-2) for image in images]
    for weight, image, diagonal in zip(weights, images, diagonals, strict=True):
        beside = image - basis * diagonal.unsqueeze(-2)
        if not weight * float(beside.norm(dim=-2).max()) <= BESIDE:  # the vectors are of length 1
            return None
    return basis, inverse, diagonals


def _sum(weights: Sequence[float], tensors: Sequence[Tensor]) -> Tensor:
    total = weights[0] * tensors[0]
    for weight, tensor in zip(weights[1:], tensors[1:], strict=True):
        total = total + weight * tensor
    return total


def _eigenvectors(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
    """Return the eigenvalues of a batch of matrices, the eigenvectors as columns, each of length 1, and their inverse.

    None if they have none.
    """
    if bool(((matrix - matrix.mT).abs() <= BESIDE).all()):
        values, basis = _by_singular_vectors(matrix) or torch.linalg.eigh((matrix + matrix.mT) / 2)
        return values, basis, basis.mT
    size = _block_of(matrix)
    if size:
        return _by_blocks(matrix, size)
    values, basis = torch.linalg.eig(matrix)
    inverse, info = torch.linalg.inv_ex(basis)
    return None if bool(info.any()) else (values, basis, inverse)


def _block_of(matrix: Tensor) -> int:
    """Return the size of B in a batch of [[B, -c], [c, B]] with two bordering rows and columns; 0 if there is none."""
    size = matrix.shape[-1] // 2 - 1
    if matrix.shape[-1] % 2 or size < 1:
        return 0
    one, constant = torch.eye(size, dtype=matrix.dtype), matrix[..., size : size + 1, :1]
    first, second = matrix[..., :size, : 2 * size], matrix[..., size : 2 * size, : 2 * size]
    turned = torch.cat([constant * one, first[..., :size]], -1)
    borders = (matrix[..., 2 * size :, : 2 * size], matrix[..., : 2 * size, 2 * size :])
    is_turned = torch.equal(second, turned) and torch.equal(first[..., size:], -constant * one)
    return size if is_turned and not any(bool(border.any()) for border in borders) else 0


def _by_blocks(matrix: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor] | None:
    """Return what `_eigenvectors` does, in less time by those of B: v over iv and v over -iv, by λ - ic and λ + ic."""
    corner = matrix[..., 2 * size :, 2 * size :]
    parts = [_eigenvectors(part) for part in (matrix[..., :size, :size], corner)]
    if parts[0] is None or parts[1] is None:
        return None
    (values, vectors, inverse), (ends, last, last_inverse) = parts[0], parts[1]
    turn = 1j * matrix[..., size : size + 1, 0]
    columns = [torch.cat([vectors, sign * 1j * vectors], -2) * math.sqrt(0.5) for sign in (1, -1)]
    rows = [torch.cat([inverse, -sign * 1j * inverse], -1) * math.sqrt(0.5) for sign in (1, -1)]
    basis, back = torch.cat(columns, -1), torch.cat(rows, -2)
    return torch.cat([values - turn, values + turn, ends], -1), _beside(basis, last), _beside(back, last_inverse)


def _beside(one: Tensor, other: Tensor) -> Tensor:
    """Return a batch of complex matrices with one in the first corner and another in the last one."""
    rows, columns = one.shape[-2] + other.shape[-2], one.shape[-1] + other.shape[-1]
    result = torch.zeros(*one.shape[:-2], rows, columns, dtype=one.dtype)
    result[..., : one.shape[-2], : one.shape[-1]] = one
    result[..., one.shape[-2] :, one.shape[-1] :] = other
    return result


def _by_singular_vectors(matrix: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return the eigenvalues and eigenvectors of [[c, M], [Mᵀ, c]] with a bordering entry, in less time by those of M.

    None for a matrix that is none of these.
    """
    constant = matrix[..., :1, :1]
    beside = matrix[..., :-1, :-1] - constant * torch.eye(matrix.shape[-1] - 1, dtype=matrix.dtype)
    ends = beside[0, 0].nonzero()
    rows = int(ends[0]) if len(ends) else 0
    blocks = (beside[..., :rows, :rows], beside[..., rows:, rows:], matrix[..., -1:, :-1], matrix[..., :-1, -1:])
    if not rows or any(bool(block.any()) for block in blocks):
        return None
    u, s, vh = torch.linalg.svd(beside[..., :rows, rows:])
    basis, count = torch.zeros_like(matrix), s.shape[-1]
    left, right = u[..., :count] * math.sqrt(0.5), vh[..., :count, :].mT * math.sqrt(0.5)
    basis[..., :rows, :count] = basis[..., :rows, count : 2 * count] = left
    basis[..., rows:-1, :count], basis[..., rows:-1, count : 2 * count] = right, -right
    basis[..., :rows, 2 * count : rows + count] = u[..., count:]
    basis[..., rows:-1, rows + count : -1] = vh[..., count:, :].mT
    basis[..., -1, -1] = 1
    values = torch.cat([s, -s, s.new_zeros(*s.shape[:-1], beside.shape[-1] - 2 * count)], -1) + constant[..., 0]
    return torch.cat([values, matrix[..., -1:, -1]], -1), basis


def _images(weights: Sequence[float], matrices: Sequence[Tensor], total: Tensor, basis: Tensor) -> list[Tensor]:
    """Return each matrix times the basis; that of one follows from the total."""
    full = [place for place, matrix in enumerate(matrices) if not _is_diagonal(matrix)]
    last = full[-1] if full else len(matrices) - 1
    images = [total if place == last else _times(matrix, basis) for place, matrix in enumerate(matrices)]
    others = [place for place in range(len(matrices)) if place != last]
    for place in others:
        images[last] = images[last] - weights[place] * images[place]
    images[last] = images[last] / weights[last]
    return images


def _is_diagonal(matrix: Tensor) -> bool:
    return int(matrix.count_nonzero()) == int(matrix.diagonal(dim1=-2, dim2=-1).count_nonzero())


def _times(matrix: Tensor, basis: Tensor) -> Tensor:
    """Return the product with a basis; one with a diagonal matrix is no product of matrices."""
    if _is_diagonal(matrix):
        return matrix.diagonal(dim1=-2, dim2=-1).unsqueeze(-1) * basis
    return _product(matrix, basis)


def _product(real: Tensor, basis: Tensor) -> Tensor:
    """Return the product of a real matrix and a basis, which may be complex."""
    return torch.complex(real @ basis.real, real @ basis.imag) if basis.is_complex() else real @ basis


def _real_product(one: Tensor, other: Tensor) -> Tensor:
    """Return the real part of a product of matrices that are both complex, or both real."""
    return one.real @ other.real - one.imag @ other.imag if one.is_complex() else one @ other


def _in_basis(program: TensorProgram, operands: dict[str, Tensor], basis: Tensor) -> Tensor:
    """Return a dyad's vectors, one a matrix, in the basis: (batch, family, unknown, 1)."""
    vectors = evaluate(program, operands)
    count, size = basis.shape[:2]
    if vectors.ndim > 1 and vectors.stride(-2) == 0 and count == 1:  # the same for the whole family
        first = _product(vectors[..., :1, :].reshape(1, -1, size)[:, :1], basis)
        return first.expand(1, vectors.numel() // size, size).unsqueeze(-1)
    return _product(vectors.reshape(count, -1, size), basis).unsqueeze(-1)
