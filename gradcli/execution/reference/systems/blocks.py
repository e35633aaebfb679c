"""The solution of one block of an adjoint system: by its matrix where that is small, else by products with it."""

from __future__ import annotations

import torch
from torch import Tensor

from gradcli.execution.forward.finite import all_finite
from gradcli.execution.forward.memory import limits_in_force
from gradcli.execution.reference.systems.krylov import gmres
from gradcli.execution.reference.systems.problem import SINGULAR, Problem, UndecidedError, slices, solved
from gradcli.execution.reference.systems.restricted import Ranges

# How many steps are tried before a block is given up; each keeps a vector.
STEPS = 100


def by_matrix(problem: Problem, right: Tensor, ranges: Ranges) -> Tensor:
    """Return λ of a block: it is made, and eliminated."""
    square = problem.matrix(ranges).mT
    return problem.whole_solution(solved(square, problem.flat_right(right)), ranges)


def by_products(problem: Problem, right: Tensor, ranges: Ranges) -> Tensor:
    """Return λ of a block, which is never made; rows are scaled so that the largest unknowns do not hide the others."""
    system, scratch = problem.system, problem.blank()
    place = slices(scratch, system.residual, ranges)
    place.fill_(1.0)
    scale = _flat(problem, problem.magnitude(scratch, ranges))
    if not (all_finite(scale) and all_finite(right)):
        raise UndecidedError("the linear system of this implicit definition holds numbers that are not finite here")
    if bool(((scale == 0) & (_flat(problem, right) != 0)).any()):
        raise UndecidedError(SINGULAR)
    scale = torch.where(scale == 0, 1.0, scale)
    count, lone = problem.count(problem.batch), problem.count(problem.lone)

    def whole(vector: Tensor) -> Tensor:
        return problem.whole_solution(vector.reshape(count, lone, -1).mT, ranges)

    def product(vector: Tensor) -> Tensor:
        place.copy_(whole(vector))
        return _flat(problem, problem.product(scratch, ranges)) / scale

    steps = min(STEPS, right.numel(), limits_in_force().elements // right.numel())
    return whole(gmres(product, _flat(problem, right) / scale, steps))


def _flat(problem: Problem, tensor: Tensor) -> Tensor:
    flat = problem.flat_right(tensor).mT
    return flat.reshape(-1, flat.shape[-1])
