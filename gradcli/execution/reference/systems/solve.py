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
        _check_matrix(problem)
        return by_matrix(problem, cotangent, EVERYTHING)
    if not all(map(all_finite, [cotangent, *operands.values()])):
        raise UndecidedError("the linear system of this implicit definition holds numbers that are not finite here")
    return _by_structure(problem)


def _by_structure(problem: Problem) -> Tensor:
    """Return the first solution with a small residual."""
    reasons: list[UndecidedError | LimitError] = []
    for solver in _solvers(problem):
        try:
            solution = _refined(problem, solver)
        except (UndecidedError, LimitError) as error:
            reasons.append(error)
            continue
        if solution is not None:
            return solution
        reasons.append(UndecidedError(_unsolved(problem)))
    raise next((reason for reason in reasons if isinstance(reason, UndecidedError)), reasons[0])


def _work(problem: Problem) -> float:
    return float(problem.count(problem.batch)) * problem.count(problem.system.columns) ** 3


def _unsolved(problem: Problem) -> str:
    count = problem.right.numel()
    return f"the linear system of this implicit definition ({count} unknowns) is not solved to the last digits here"


def _check_matrix(problem: Problem) -> None:
    """Refuse a system whose matrix is too large, before it is built."""
    count = problem.count(problem.system.columns)
    entries = problem.count(problem.batch) * problem.count(problem.system.rows) * count
    check_entries(entries, f"the linear system of this implicit definition ({count} unknowns)")


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
        _check_matrix(problem)
        yield partial(by_matrix, problem, ranges=EVERYTHING)
    yield partial(by_products, problem, ranges=EVERYTHING)


def _refined(problem: Problem, solver: Solver) -> Tensor | None:
    """Return a solution whose residual is of the size that rounding makes it; None if that is not reached."""
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
