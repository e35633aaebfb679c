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
from gradcli.execution.reference.systems.restricted import Ranges

# How far products with the system may be from those with the two matrices, relative to what they are sums of.
SAME = 1e-13


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
    system = problem.system
    lengths = {problem.count(letter) for letter in system.rows}
    if len(system.rows) != 2 or len(lengths) != 1 or problem.lone:  # noqa: PLR2004 (both axes of a matrix)
        return None
    size = lengths.pop()
    # The last row is below the diagonal, and the last column above it.
    found = TwoSides(*(problem.matrix(_at(problem, axis, size - 1)) for axis in (0, 1)))
    is_regular = all(_is_regular(side) for side in (found.below, found.above))
    return found if is_regular and _is_made_of(problem, found, size) else None


def by_two_sides(problem: Problem, sides: TwoSides, right: Tensor) -> Tensor:
    """Return λ, for any right side."""
    size = sides.below.shape[-1]
    flat = problem.flat_right(right)
    return problem.whole_solution(sides.solve(flat.reshape(-1, size, size)).reshape(flat.shape))


def _at(problem: Problem, axis: int, place: int) -> Ranges:
    return {labels[axis]: (place, place + 1) for labels in (problem.system.rows, problem.system.columns)}


def _is_regular(side: Tensor) -> bool:
    """Return whether a matrix is lower triangular, and can be solved with."""
    return torch.equal(side, side.tril()) and bool((side.diagonal(dim1=-2, dim2=-1) != 0).all())


def _is_made_of(problem: Problem, sides: TwoSides, size: int) -> bool:
    """Return whether a row and a column in the middle of a product are what the two matrices make them."""
    trial = problem.blank()
    trial.copy_(torch.rand(trial.shape, generator=torch.Generator().manual_seed(0), dtype=trial.dtype) + 0.5)
    given, everything = problem.flat_solution(trial).reshape(-1, size, size), slice(None)
    magnitudes, middle = TwoSides(sides.below.abs(), sides.above.abs()), slice(size // 2, size // 2 + 1)
    for axis, block in enumerate([(middle, everything), (everything, middle)]):
        image = problem.product(trial, {problem.system.columns[axis]: (middle.start, middle.stop)})
        expected = sides.product(given, *block)
        off = expected - problem.flat_right(image).reshape(expected.shape)
        if not bool((off.abs() <= SAME * magnitudes.product(given, *block)).all()):
            return False
    return True
