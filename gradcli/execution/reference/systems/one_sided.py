"""Blocks of an adjoint system with two axes that are one small matrix, applied to every row or to every column alike.

Such a block is the Kronecker product of a matrix and an identity. A factorisation's system is made of these apart from
its diagonal: slices of L times unknowns, or unknowns times slices of U.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from gradcli.execution.reference.systems.problem import Problem, slices, solved
from gradcli.execution.reference.systems.restricted import Ranges

# How far a product with the block may be from one with the small matrix, relative to what it is a sum of.
SAME = 1e-13


def by_one_side(problem: Problem, right: Tensor, ranges: Ranges, *, like: str = "") -> Tensor | None:
    """Return λ of a block that is one small matrix along one of its axes; None if it is not.

    The axis is that of the first block that it is said to be `like`: whoever says so has to look at the residual.
    """
    axis = problem.noted(("side", like or frozenset(ranges.items())), lambda: _side(problem, ranges))
    if axis is None:
        return None
    small, lengths = _along(problem, axis, ranges).mT, _lengths(problem, ranges)
    solution = _through(partial(solved, small), problem.flat_right(right), axis, lengths)
    return problem.whole_solution(solution, ranges)


def _side(problem: Problem, ranges: Ranges) -> int | None:
    """Return the axis along which a block is one small matrix; None if it is none."""
    trial = problem.noted("trial", problem.blank)
    probe = slices(trial, problem.system.residual, ranges)
    probe.copy_(torch.rand(probe.shape, generator=torch.Generator().manual_seed(0), dtype=probe.dtype) + 0.5)
    given = problem.flat_solution(probe).clone()
    image = problem.flat_right(problem.product(trial, ranges))
    probe.zero_()
    return next((axis for axis in (0, 1) if _is_along(problem, axis, ranges, given, image)), None)


def _is_along(problem: Problem, axis: int, ranges: Ranges, given: Tensor, image: Tensor) -> bool:
    """Return whether one matrix along an axis makes the image of what is given, which is positive."""
    small, lengths = _along(problem, axis, ranges).mT, _lengths(problem, ranges)
    off = (image - _through(small.matmul, given, axis, lengths)).abs()
    return bool((off <= SAME * _through(small.abs().matmul, given, axis, lengths)).all())


def _lengths(problem: Problem, ranges: Ranges) -> list[int]:
    return [problem.count(letter, ranges) for letter in problem.system.rows]


def _along(problem: Problem, axis: int, ranges: Ranges) -> Tensor:
    """Return the matrix along one axis of a block, at the first place of the other one."""
    row, column = problem.system.rows[1 - axis], problem.system.columns[1 - axis]
    start, _ = ranges[row]
    return problem.matrix({**ranges, row: (start, start + 1), column: (start, start + 1)})


def _through(function: Callable[[Tensor], Tensor], flat: Tensor, axis: int, lengths: list[int]) -> Tensor:
    """Return what a function of matrices makes of one axis of a block: (batch, both axes, lone)."""
    batch, _, lone = flat.shape
    apart = flat.reshape(batch, *lengths, lone).transpose(1, 1 + axis)
    result = function(apart.reshape(batch, lengths[axis], -1)).reshape(apart.shape)
    return result.transpose(1, 1 + axis).reshape(flat.shape)
