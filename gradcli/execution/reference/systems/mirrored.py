"""Systems of a triangular factor L of a symmetric matrix, as that of Cholesky or of QR.

On and below the diagonal the adjoint's equations are those of (Λ + Λᵀ) L = right, where Λ is the lower triangle of λ;
above it λ is given. Lᵀ (Λ + Λᵀ) L is symmetric, and its lower triangle is that of Lᵀ right, so that two triangular
solves lead to Λ (Murray 2016). Of an upper triangular factor everything is transposed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.reference.systems.problem import Problem
from gradcli.execution.reference.systems.square import end_of, is_made_of, is_regular, size_of


@dataclass(frozen=True, slots=True)
class Mirrored:
    """The factor, transposed if it is upper triangular: (batch, size, size)."""

    factor: Tensor
    upper: bool

    def product(self, solution: Tensor, rows: slice, columns: slice) -> Tensor:
        """Return a block of the equations' left sides: (batch, rows, columns)."""
        if self.upper:
            return Mirrored(self.factor, upper=False).product(solution.mT, columns, rows).mT
        places, half = torch.arange(solution.shape[-1]), solution.tril()
        within = (half + half.mT)[:, rows] @ self.factor[..., columns]
        return torch.where(places[rows, None] >= places[columns], within, solution[:, rows, columns])

    def solve(self, right: Tensor) -> Tensor:
        """Return λ: (batch, size, size)."""
        if self.upper:
            return Mirrored(self.factor, upper=False).solve(right.mT).mT
        known = (self.factor.mT @ right.tril()).tril()
        both = known + known.tril(-1).mT
        half = torch.linalg.solve_triangular(self.factor.mT, both, upper=True)
        whole = torch.linalg.solve_triangular(self.factor, half, upper=False, left=False)
        return (whole.tril(-1) + whole.tril()) / 2 + right.triu(1)


def mirrored(problem: Problem) -> Mirrored | None:
    """Return the factor of a system; None if it is not of this kind."""
    size = size_of(problem)
    if size is None:
        return None
    ends = [end_of(problem, axis, size) for axis in (0, 1)]
    axis = next((axis for axis in (0, 1) if _is_given(ends[1 - axis], size)), None)
    if axis is None:
        return None
    factor = ends[axis].clone()
    factor[:, -1] /= 2  # its last row stands on both sides there
    found, magnitudes = (Mirrored(one, upper=axis == 1) for one in (factor, factor.abs()))
    return found if is_regular(factor) and is_made_of(problem, found, magnitudes, size) else None


def _is_given(end: Tensor, size: int) -> bool:
    """Return whether λ is given at an end, but in the corner."""
    return torch.equal(end[:, :-1], torch.eye(size, dtype=end.dtype)[:-1].expand(len(end), -1, -1))
