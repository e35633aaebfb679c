"""Block substitution: a system that is triangular along its axes, slice by slice from its end.

Axes are halved again and again, so that what solved slices contribute to the others is mostly a product of large
matrices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from gradcli.derivation.linear_system import Coupling
from gradcli.execution.reference.systems.blocks import by_matrix, by_products
from gradcli.execution.reference.systems.one_sided import by_one_side
from gradcli.execution.reference.systems.problem import Problem, slices
from gradcli.execution.reference.systems.restricted import Ranges
from gradcli.execution.reference.tensor_eval import evaluate

# Blocks of so many unknowns are not split further; one of more that cannot be split is solved by products.
SMALL, LARGEST = 256, 640


@dataclass(frozen=True, slots=True)
class Order:
    """Labels along which a system is triangular, and whether it is solved from the last slice on."""

    row: str
    column: str
    length: int
    from_end: bool

    def halves(self, span: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the half of a span that is solved first, and the other one."""
        start, stop = span
        middle = (start + stop) // 2
        return ((middle, stop), (start, middle)) if self.from_end else ((start, middle), (middle, stop))


def orders_of(problem: Problem) -> list[Order]:
    """Return the labels along which a system can be solved slice by slice."""
    return [order for coupling in problem.system.couplings if (order := _order(problem, coupling)) is not None]


def _order(problem: Problem, coupling: Coupling) -> Order | None:
    strength = evaluate(coupling.strength, dict(problem.operands))
    if strength.shape[0] != strength.shape[1] or len(strength) == 1:
        return None
    slice_of = {coupling.row: (0, 1), coupling.column: (0, 1)}
    if problem.count(problem.system.rows, slice_of) != problem.count(problem.system.columns, slice_of):
        return None
    for from_end, above in ((True, strength.triu(1)), (False, strength.tril(-1))):
        if bool((above == 0).all()):
            return Order(coupling.row, coupling.column, len(strength), from_end)
    return None


def substitute(problem: Problem, orders: list[Order], right: Tensor, *, alike: bool = False) -> Tensor:
    """Return λ, slice by slice.

    If blocks on one side of the diagonal are taken to be `alike`, the residual tells whether they are.
    """
    work = _Substitution(problem, orders, right.clone(), problem.blank(), alike)
    work.solve({label: (0, order.length) for order in orders for label in (order.row, order.column)})
    return work.solution


@dataclass(frozen=True, slots=True)
class _Substitution:
    """What has been solved, and what is left of the right sides of the rest."""

    problem: Problem
    orders: list[Order]
    rest: Tensor
    solution: Tensor
    alike: bool

    def solve(self, ranges: Ranges) -> None:
        """Solve a block whose right side is what is left of it."""
        problem = self.problem
        right = slices(self.rest, problem.system.unknown, ranges)
        if not bool(right.any()):
            return
        order = self._longest(ranges)
        found = self._at_once(right, ranges, order)
        if found is None:
            assert order is not None  # noqa: S101 (else it was solved)
            self._by_halves(order, ranges)
        else:
            slices(self.solution, problem.system.residual, ranges).copy_(found)

    def _longest(self, ranges: Ranges) -> Order | None:
        """Return the order whose slices can be split further, the one with the most of them."""
        lengths = {order: ranges[order.row][1] - ranges[order.row][0] for order in self.orders}
        longest = max(self.orders, key=lambda order: lengths[order])
        return longest if lengths[longest] > 1 else None

    def _at_once(self, right: Tensor, ranges: Ranges, order: Order | None) -> Tensor | None:
        """Return the solution of a block that is small, or of one matrix, or that cannot be split; None for others."""
        count = self.problem.count(self.problem.system.columns, ranges)
        if count <= SMALL:
            return by_matrix(self.problem, right, ranges)
        if self._may_be_one_sided(ranges, order):
            found = by_one_side(self.problem, right, ranges, like=self._kind(ranges) if self.alike else "")
            if found is not None:
                return found
        if order is not None:
            return None
        return (by_matrix if count <= LARGEST else by_products)(self.problem, right, ranges)

    def _may_be_one_sided(self, ranges: Ranges, order: Order | None) -> bool:
        """Return whether to look if a block is one matrix along one of two axes.

        One that the diagonal passes through hardly ever is: it is split, and its parts are looked at.
        """
        both = len(self.orders) == len(self.problem.system.rows) == 2  # noqa: PLR2004 (both axes of a matrix)
        return both and (order is None or _are_apart(*(ranges[one.row] for one in self.orders)))

    def _kind(self, ranges: Ranges) -> str:
        """Return on which side of the diagonal a block is."""
        one, other = (ranges[order.row] for order in self.orders)
        return "before" if one < other else "after" if one > other else "on it"

    def _by_halves(self, order: Order, ranges: Ranges) -> None:
        first, second = order.halves(ranges[order.row])
        self.solve(_with(ranges, {order.row: first, order.column: first}))
        between = _with(ranges, {order.row: first, order.column: second})
        contribution = self.problem.product(self.solution, between)
        slices(self.rest, self.problem.system.unknown, between).sub_(contribution)
        self.solve(_with(ranges, {order.row: second, order.column: second}))


def _are_apart(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two spans have no place in common."""
    return one[1] <= other[0] or other[1] <= one[0]


def _with(ranges: Ranges, other: Mapping[str, tuple[int, int]]) -> Ranges:
    return {**ranges, **other}
