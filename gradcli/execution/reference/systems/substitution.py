"""Block substitution: a system that is triangular along an axis, slice by slice from its end.

The axis is halved again and again, so that what solved slices contribute to the others is mostly a product of large
matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradcli.derivation.linear_system import Coupling
from gradcli.execution.reference.systems.blocks import by_matrix, by_products
from gradcli.execution.reference.systems.problem import Problem, slices
from gradcli.execution.reference.tensor_eval import evaluate

# Slices of so many unknowns are not split further; a slice of more is solved by products, unless it is triangular.
SMALL, LARGEST = 128, 640


@dataclass(frozen=True, slots=True)
class Order:
    """The labels along which a system is triangular, and whether it is solved from the last slice on."""

    row: str
    column: str
    length: int
    from_end: bool


def order_of(problem: Problem) -> Order | None:
    """Return the order in which a system can be solved slice by slice, the finest that there is."""
    found = [order for coupling in problem.system.couplings if (order := _order(problem, coupling)) is not None]
    return max(found, key=lambda order: order.length, default=None)


def _order(problem: Problem, coupling: Coupling) -> Order | None:
    strength = evaluate(coupling.strength, dict(problem.operands))
    if strength.shape[0] != strength.shape[1] or len(strength) == 1:
        return None
    sizes = {coupling.row: (0, 1), coupling.column: (0, 1)}
    if problem.count(problem.system.rows, sizes) != problem.count(problem.system.columns, sizes):
        return None
    for from_end, above in ((True, strength.triu(1)), (False, strength.tril(-1))):
        if bool((above == 0).all()):
            return Order(coupling.row, coupling.column, len(strength), from_end)
    return None


def substitute(problem: Problem, order: Order, right: Tensor) -> Tensor:
    """Return λ, slice by slice."""
    rest, solution = right.clone(), problem.blank()
    _solve(problem, order, rest, solution, (0, order.length))
    return solution


def _solve(problem: Problem, order: Order, rest: Tensor, solution: Tensor, span: tuple[int, int]) -> None:
    """Solve the slices in `span`, of whose right sides `rest` holds what is left."""
    start, stop = span
    ranges = {order.row: span, order.column: span}
    count = problem.count(problem.system.columns, ranges)
    if stop - start == 1 or count <= SMALL:
        own = slices(rest, problem.system.unknown, ranges)
        solve = by_matrix if count <= LARGEST else by_products
        slices(solution, problem.system.residual, ranges).copy_(solve(problem, own, ranges))
        return
    middle = (start + stop) // 2
    halves = ((middle, stop), (start, middle)) if order.from_end else ((start, middle), (middle, stop))
    first, second = halves
    _solve(problem, order, rest, solution, first)
    between = {order.row: first, order.column: second}
    slices(rest, problem.system.unknown, {order.column: second}).sub_(problem.product(solution, between))
    _solve(problem, order, rest, solution, second)
