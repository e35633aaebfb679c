"""Systems of a square unknown that a few matrices make up: they are read off its ends, and a product tells."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from gradcli.execution.reference.systems.problem import Problem
from gradcli.execution.reference.systems.restricted import Ranges

# How far products with the system may be from those with the matrices, relative to what they are sums of.
SAME = 1e-13


class Sides(Protocol):
    """The matrices that make up a system: (batch, size, size)."""

    def product(self, solution: Tensor, rows: slice, columns: slice) -> Tensor:
        """Return a block of the equations' left sides: (batch, rows, columns)."""

    def solve(self, right: Tensor) -> Tensor:
        """Return λ: (batch, size, size)."""


def size_of(problem: Problem) -> int | None:
    """Return the length of both axes of a square unknown; None for others."""
    system = problem.system
    lengths = {problem.count(letter) for letter in system.rows}
    is_square = len(system.rows) == 2 and len(lengths) == 1 and not problem.lone  # noqa: PLR2004 (a matrix)
    return lengths.pop() if is_square else None


def end_of(problem: Problem, axis: int, size: int) -> Tensor:
    """Return the block of the Jacobian at the last place of one axis: (batch, residual, unknown)."""
    return problem.matrix({labels[axis]: (size - 1, size) for labels in (problem.system.rows, problem.system.columns)})


def by_sides(problem: Problem, sides: Sides, right: Tensor) -> Tensor:
    """Return λ, for any right side."""
    flat, (size, _) = problem.flat_right(right), right.shape[-2:]
    return problem.whole_solution(sides.solve(flat.reshape(-1, size, size)).reshape(flat.shape))


def is_regular(side: Tensor) -> bool:
    """Return whether a matrix is lower triangular, and can be solved with."""
    return torch.equal(side, side.tril()) and bool((side.diagonal(dim1=-2, dim2=-1) != 0).all())


def is_made_of(problem: Problem, sides: Sides, magnitudes: Sides, size: int) -> bool:
    """Return whether a row and a column in the middle of a product are what the matrices make them.

    `magnitudes` are those of the matrices.
    """
    trial = problem.blank()
    trial.copy_(torch.rand(trial.shape, generator=torch.Generator().manual_seed(0), dtype=trial.dtype) + 0.5)
    given, everything = problem.flat_solution(trial).reshape(-1, size, size), slice(None)
    middle = slice(size // 2, size // 2 + 1)
    for axis, block in enumerate([(middle, everything), (everything, middle)]):
        ranges: Ranges = {problem.system.columns[axis]: (middle.start, middle.stop)}
        expected = sides.product(given, *block)
        off = expected - problem.flat_right(problem.product(trial, ranges)).reshape(expected.shape)
        if not bool((off.abs() <= SAME * magnitudes.product(given, *block)).all()):
            return False
    return True
