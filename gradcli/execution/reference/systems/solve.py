"""The adjoint of an implicit definition: a linear system, solved by its structure, and checked.

A system that is small, or is one matrix for many right sides, is eliminated. A larger one is solved slice by slice if
it is triangular along an axis, in the basis that a family of matrices shares if it is one, and otherwise by products
with it. Such a solution is refined until its residual is what rounding leaves; one that is not is no solution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor

from gradcli.derivation.linear_system import LinearSystem
from gradcli.errors import LimitError
from gradcli.execution.forward.finite import all_finite
from gradcli.execution.forward.memory import check_entries
from gradcli.execution.reference.systems.blocks import by_matrix, by_products
from gradcli.execution.reference.systems.problem import Problem, UndecidedError
from gradcli.execution.reference.systems.restricted import EVERYTHING
from gradcli.execution.reference.systems.shared_basis import shared_basis
from gradcli.execution.reference.systems.substitution import orders_of, substitute

# Multiplications that elimination may take before structure is looked for, and at most.
FEW, MOST = 1e8, 2e11
# Residuals relative to what they are the difference of: as good as rounding allows, and the largest that is accepted.
EXACT, ACCEPTED = 1e-15, 1e-12
ROUNDS = 4

Solver = Callable[[Tensor], Tensor]


def solve(system: LinearSystem, cotangent: Tensor, operands: Mapping[str, Tensor]) -> Tensor:
    """Return λ with (∂residual/∂unknown)ᵀ λ = cotangent: the adjoint of an implicit definition is a linear solve.

    UndecidedError if there is none, or if none is found whose residual is small; LimitError if all ways are too large.
    """
    problem = Problem(system, operands, cotangent)
    if not bool(cotangent.any()):
        return problem.blank()
    if _work(problem) <= FEW or (len(system.columns) == 1 and system.family is None):
        return _by_elimination(problem, cotangent)
    return _by_structure(problem)


def _by_structure(problem: Problem) -> Tensor:
    """Return the first solution with a small residual; a way that needs too much memory is passed over."""
    reason: LimitError | None = None
    for solver in _solvers(problem):
        try:
            solution = _refined(problem, solver)
        except LimitError as error:
            reason = reason or error
            continue
        if solution is not None:
            return solution
    raise reason or UndecidedError(_unsolved(problem))


def _work(problem: Problem) -> float:
    return float(problem.count(problem.batch)) * problem.count(problem.system.columns) ** 3


def _unsolved(problem: Problem) -> str:
    count = problem.right.numel()
    return f"the linear system of this implicit definition ({count} unknowns) is not solved to the last digits here"


def _by_elimination(problem: Problem, right: Tensor) -> Tensor:
    """Return λ by the whole matrix; LimitError before one that is too large is built."""
    count = problem.count(problem.system.columns)
    entries = problem.count(problem.batch) * problem.count(problem.system.rows) * count
    check_entries(entries, f"the linear system of this implicit definition ({count} unknowns)")
    return by_matrix(problem, right, EVERYTHING)


def _solvers(problem: Problem) -> Iterator[Solver]:
    """Yield ways to solve a system, the cheapest first."""
    system = problem.system
    if problem.can_slice():
        orders = orders_of(problem)
        if orders:
            yield partial(substitute, problem, orders)
    if system.family is not None and not problem.lone:
        shared = shared_basis(problem, system.family)
        if shared is not None:
            yield shared
    if _work(problem) <= MOST:
        yield partial(_by_elimination, problem)
    if _is_regular(problem):
        yield partial(by_products, problem, ranges=EVERYTHING)


def _is_regular(problem: Problem) -> bool:
    """Return whether products lead to the solution for any right side: a singular system has one for some."""
    generator = torch.Generator().manual_seed(0)
    right = torch.rand(problem.right.shape, generator=generator, dtype=problem.right.dtype) - 0.5
    trial = Problem(problem.system, problem.operands, right)
    return _refined(trial, partial(by_products, trial, ranges=EVERYTHING)) is not None


def _refined(problem: Problem, solver: Solver) -> Tensor | None:
    """Return a solution whose residual is of the size that rounding makes it; None if that is not reached.

    What is not finite has no residual: its NaNs are the answer.
    """
    if not all_finite(problem.right):
        return solver(problem.right)
    solution, rest, best = problem.blank(), problem.right, 1.0
    for _ in range(ROUNDS):
        trial = solution + solver(rest)
        left = problem.right - problem.product(trial)
        error = _backward_error(problem, trial, left)
        if not error < best:
            break
        solution, rest, before, best = trial, left, best, error
        if best <= EXACT or best > before / 4:
            break
    return solution if best <= ACCEPTED else None


def _backward_error(problem: Problem, solution: Tensor, left: Tensor) -> float:
    """Return the largest residual relative to what it is the difference of (Oettli and Prager 1964)."""
    size = problem.magnitude(solution.abs()) + problem.right.abs()
    floor = torch.finfo(size.dtype).eps * float(size.max())
    return float((left.abs() / (size + floor)).max())
