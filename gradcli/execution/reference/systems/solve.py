"""The adjoint of an implicit definition: a linear system, solved by its structure, and checked.

A system that is small, or is one matrix for many right sides, is eliminated. A larger one is solved slice by slice if
it is triangular along an axis, in the basis that a family of matrices shares if it is one, and otherwise by products
with it. Such a solution is refined until its residual is what rounding leaves; one that is not is no solution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from gradcli.derivation.linear_system import LinearSystem
from gradcli.errors import LimitError
from gradcli.execution.forward.finite import all_finite
from gradcli.execution.forward.memory import check_entries
from gradcli.execution.reference.systems.blocks import by_matrix, by_products
from gradcli.execution.reference.systems.mirrored import mirrored
from gradcli.execution.reference.systems.problem import Problem, Solved, UndecidedError
from gradcli.execution.reference.systems.restricted import EVERYTHING
from gradcli.execution.reference.systems.shared_basis import in_basis, shared_basis
from gradcli.execution.reference.systems.square import by_sides
from gradcli.execution.reference.systems.substitution import Order, orders_of, substitute
from gradcli.execution.reference.systems.two_sided import two_sides

# Multiplications that elimination may take before structure is looked for, and at most.
FEW, MOST = 1e8, 2e11
# So few matrices of a family are eliminated one by one before a basis is looked for that makes all of them diagonal.
SINGLE = 4
# Residuals relative to what they are the difference of: as good as rounding allows, and the largest that is accepted.
EXACT, ACCEPTED = 8 * torch.finfo(torch.float64).eps, 1e-12
# Between these it may only be as large as it is where the solution is 0 but for rounding.
NOISE = 1e-14, 1e-6
# How little an entry of a solution moves, relative to it, for the sizes of products with it to stay.
NEAR = 1e-3
# What may be left of a right side that is the difference of two, relative to it.
PART = 1e-6
ROUNDS = 4

Solver = Callable[[Tensor], Tensor]


@dataclass(slots=True)
class LastSystem:
    """The system that was solved last: each operand of a definition asks for the same, and so does what measures noise.

    What was found out about it serves for other right sides too.
    """

    _problem: Problem | None = None
    _solution: Tensor | None = None

    def solve(self, system: LinearSystem, cotangent: Tensor, operands: Mapping[str, Tensor]) -> Tensor:
        """Return what `solve` returns."""
        if self._problem is None or not self._problem.is_of(system, operands):
            self._problem, self._solution = Problem(system, operands, cotangent.clone()), None
        elif not torch.equal(self._problem.right, cotangent):
            self._problem.right, self._solution = cotangent.clone(), None
        if self._solution is None:
            self._solution = _solution(self._problem)
        return self._solution


def solve(system: LinearSystem, cotangent: Tensor, operands: Mapping[str, Tensor]) -> Tensor:
    """Return λ with (∂residual/∂unknown)ᵀ λ = cotangent: the adjoint of an implicit definition is a linear solve.

    UndecidedError if there is none, or if none is found whose residual is small; LimitError if all ways are too large.
    """
    return _solution(Problem(system, operands, cotangent))


def _solution(problem: Problem) -> Tensor:
    system, cotangent = problem.system, problem.right
    if not bool(cotangent.any()):
        return problem.blank()
    if _work(problem) <= FEW or (len(system.columns) == 1 and system.family is None):
        return _by_elimination(problem, cotangent)
    return _by_structure(problem)


def _by_structure(problem: Problem) -> Tensor:
    """Return a solution with a small residual."""
    known = problem.solved
    is_near = known is not None and _is_near(problem.right, known.right)
    found = _next_to(problem, known) if known is not None and is_near else None
    return _by_first_way(problem) if found is None else found


def _is_near(one: Tensor, other: Tensor) -> bool:
    """Return whether each entry of one tensor has hardly moved from another one's."""
    return bool(((one - other).abs() <= NEAR * other.abs()).all())


def _next_to(problem: Problem, known: Solved) -> Tensor | None:
    """Return the solution for a right side next to a known one: only what it moves is solved for.

    That is told from rounding by its own residual. None if no way leads to it.
    """
    rest = problem.right - known.right + known.rest
    for solver in _solvers(problem, refined=False):
        try:
            moved = solver(rest)
        except (LimitError, UndecidedError):
            continue
        if bool((rest - problem.product(moved)).norm() <= PART * rest.norm()):
            return known.solution + moved
    return None


def _by_first_way(problem: Problem) -> Tensor:
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


def _attempted(problem: Problem, solver: Solver, right: Tensor) -> Tensor:
    """Return what a solver finds, and nothing where it finds none: what it cannot solve is left to those after it."""
    try:
        return solver(right)
    except UndecidedError:
        return problem.blank()


def _quick(problem: Problem) -> Iterator[Solver]:
    """Yield ways that take little time and may not lead to a solution: the residual of what they find says so."""
    if problem.system.family is not None:
        if problem.count(problem.batch) <= SINGLE:
            yield partial(_attempted, problem, partial(_by_elimination, problem))
        return
    orders = _orders(problem)
    sides = problem.noted("sides", lambda: mirrored(problem) or two_sides(problem)) if orders else None
    if sides is not None:
        yield partial(by_sides, problem, sides)
    if orders:
        yield partial(_attempted, problem, partial(substitute, problem, orders, alike=True))


def _orders(problem: Problem) -> list[Order]:
    return problem.noted("orders", partial(orders_of, problem)) if problem.can_slice() else []


def _solvers(problem: Problem, *, refined: bool = True) -> Iterator[Solver]:
    """Yield ways to solve a system, the cheapest first."""
    system = problem.system
    if all_finite(problem.right):  # else there is no residual
        yield from _quick(problem)
    if system.family is not None and not problem.lone:
        shared = problem.noted("basis", partial(shared_basis, problem, system.family))
        if shared is not None:
            yield partial(in_basis, problem, shared, refined=refined)
    orders = _orders(problem)
    if orders:
        yield partial(substitute, problem, orders)
    if _work(problem) <= MOST:
        yield partial(_by_elimination, problem)
    if problem.noted("regular", partial(_is_regular, problem)):
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
    best = _Tried(problem.blank(), problem.right, problem.right.abs(), math.inf)
    for _ in range(ROUNDS):
        before, tried = best.error, _tried(problem, best.solution + solver(best.rest), best)
        if NOISE[0] < tried.error <= NOISE[1]:
            tried = _without_noise(problem, tried)
        if not tried.error < before:
            break
        best = tried
        if best.error <= EXACT or best.error > before / 4:
            break
    if not best.error <= ACCEPTED:
        return None
    problem.solved = Solved(problem.right, best.solution, best.rest)
    return best.solution


@dataclass(frozen=True, slots=True)
class _Tried:
    """A solution and its residual."""

    solution: Tensor
    rest: Tensor
    size: Tensor
    """The magnitudes of what the residual is the difference of, or a little less."""
    error: float
    """The largest residual relative to that (Oettli and Prager 1964)."""


def _tried(problem: Problem, solution: Tensor, before: _Tried) -> _Tried:
    rest, size = problem.right - problem.product(solution), _size(problem, solution, before)
    floor = torch.finfo(size.dtype).eps * float(size.max())
    return _Tried(solution, rest, size, float((rest.abs() / (size + floor)).max()))


def _size(problem: Problem, solution: Tensor, before: _Tried) -> Tensor:
    """Return what a residual is relative to; that of a solution before, where each entry has hardly moved since."""
    if _is_near(solution, before.solution):
        return (1 - NEAR) * before.size
    return problem.magnitude(solution.abs()) + problem.right.abs()


def _without_noise(problem: Problem, tried: _Tried) -> _Tried:
    """Return a solution without the entries that are nothing beside the largest, if it is better without."""
    sizes = tried.solution.abs()
    noise = (sizes <= torch.finfo(sizes.dtype).eps * sizes.max()) & (sizes > 0)
    if not bool(noise.any()):
        return tried
    other = _tried(problem, tried.solution.masked_fill(noise, 0.0), tried)
    return other if other.error < tried.error else tried
