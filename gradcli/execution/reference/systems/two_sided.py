"""Systems of a square unknown that is two triangles, each with a matrix on its own side, as the factors of an LU.

Below the diagonal the adjoint's equations are those of λ A = right, on and above it those of Bᵀ λ = right, both with
lower triangular matrices. So Bᵀ λ A is known below the diagonal from the first and above it from the second, and two
triangular solves lead to λ.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.reference.systems.problem import Problem
from gradcli.execution.reference.systems.square import end_of, is_made_of, is_regular, size_of


@dataclass(frozen=True, slots=True)
class TwoSides:
    """The matrices A and B: (batch, size, size)."""

    below: Tensor
    above: Tensor

    def product(self, solution: Tensor, rows: slice, columns: slice) -> Tensor:
        """Return a block of the equations' left sides: (batch, rows, columns)."""
        places = torch.arange(solution.shape[-1])
        below = solution[:, rows] @ self.below[..., columns]
        above = self.above[..., rows].mT @ solution[..., columns]
        return torch.where(places[rows, None] > places[columns], below, above)

    def solve(self, right: Tensor) -> Tensor:
        """Return λ: (batch, size, size)."""
        both = (self.above.mT @ right.tril(-1)).tril(-1) + (right.triu() @ self.below).triu()
        half = torch.linalg.solve_triangular(self.above.mT, both, upper=True)
        return torch.linalg.solve_triangular(self.below, half, upper=False, left=False)


def two_sides(problem: Problem) -> TwoSides | None:
    """Return the two matrices of a system; None if it is not of this kind."""
    size = size_of(problem)
    if size is None:
        return None
    # The last row is below the diagonal, and the last column above it.
    found = TwoSides(*(end_of(problem, axis, size) for axis in (0, 1)))
    if not all(is_regular(side) for side in (found.below, found.above)):
        return None
    magnitudes = TwoSides(found.below.abs(), found.above.abs())
    return found if is_made_of(problem, found, magnitudes, size) else None
