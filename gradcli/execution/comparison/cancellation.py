"""What cancellation hides: digits that a difference of rounded numbers lacks, in PyTorch and in the reference.

The two agree then on what neither knows: (1 - cos(x))/x² at 1e-8, where cos(x) is 1 to all digits.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache, cached_property

import torch
from torch import Tensor

from gradcli.execution.comparison.compare import compare, largest_size
from gradcli.execution.comparison.derivatives import LOST
from gradcli.execution.comparison.other_values import with_other_values
from gradcli.execution.comparison.rounding import UNKNOWN_WIDTH, Point
from gradcli.execution.comparison.sizes import SizesOfEntries
from gradcli.execution.forward.selecting import exact_results
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.last_bits import STEP, perturb, perturb_alike
from gradcli.execution.reference.nodes import parts
from gradcli.execution.reference.pullback import Reference, differentiate
from gradcli.ops.record import Kind
from gradcli.python_trees import expression_tree
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

# A sum that is smaller than this part of its terms has fewer digits than these: a second such sum may leave none. The
# more entries there are, the more of them are so by chance, so this is divided by their number.
CANCELLED = 2.0**-18
# A term that is smaller than this part of the sum has less than half of its digits there; divided likewise.
ABSORBED = 2.0**-26
# Kinds of ops that may add up entries, beside sums that are written out.
SUMMING = frozenset({Kind.COMPOSITE, Kind.INDEXED, Kind.EINSUM})
# Results are moved by so many times more than rounding moves them: a value that is all rounding has few others near.
LARGER = 64.0
# A call of which the result moves by so many times more than the operands do has jumped.
JUMP = 2.0**10


@dataclass(frozen=True)
class Cancellation:
    """A program again with other last digits of what it computes; without slots, to keep it."""

    point: Point
    sizes: SizesOfEntries

    def hides(self, traced: TracedTensor, tolerance: Tolerance) -> bool:
        """Return whether rounding moves a tensor's gradient by a good part of it, or of what came from the output."""
        return self._may_hide and bool((self._moved(traced, tolerance) > 0).any())

    def hides_sides(self, traced: TracedTensor) -> bool:
        """Return whether it moves the choice at a kink as much, of equal values that stay so: sin(y - x) at 1e160."""
        known, moved = self.point.reference, self._at_kink if self._may_hide else self.point.reference
        if traced not in known.kinked.keys() & moved.kinked.keys():
            return False
        value, other = known.values[traced], moved.values[traced]
        if value.shape != other.shape:
            return False
        off = (other - value).abs().nan_to_num(nan=0.0, posinf=0.0)
        return bool((off > LARGER * LOST * max(_size(value), _size(self.point.cotangent))).any())

    def excuses(self, traced: TracedTensor, gradient: Tensor, tolerance: Tolerance) -> bool:
        """Return whether a gradient that is not the derivative is off by what such digits decide, and no more."""
        if not self.hides(traced, tolerance):
            return False
        error = UNKNOWN_WIDTH * self._moved(traced, tolerance)
        return compare(gradient, self.point.reference.values[traced], tolerance, error).verdict is Verdict.MATCH

    def _moved(self, traced: TracedTensor, tolerance: Tolerance) -> Tensor:
        """Return how far rounding moves each entry; 0 where that leaves digits, or where the program jumps."""
        known = self.point.reference
        value, other = known.values[traced], self._values.get(traced)
        if tolerance.normwise or traced in known.kinked or traced in known.by_difference_quotient:
            return torch.zeros(())
        if other is None or other.shape != value.shape:
            return torch.zeros(())
        moved = (other - value).abs().nan_to_num(nan=0.0, posinf=0.0) / LARGER
        lost = moved > LOST * max(_size(value), _size(self.point.cotangent))
        return torch.where(lost, moved, 0.0) if bool(lost.any()) and not self._has_jumped else torch.zeros(())

    @cached_property
    def _may_hide(self) -> bool:
        """Return whether a sum of rounded numbers is much smaller than these, or much larger than one of them."""
        trace = self.point.decomposition.trace
        exact = frozenset(trace.leaves)
        return any(_loses(call, exact, self.sizes) for call in trace.calls)

    @cached_property
    def _again(self) -> Decomposition:
        return with_other_last_bits(self.point, 0, exact_results(self.point.decomposition.trace))

    @cached_property
    def _values(self) -> dict[TracedTensor, Tensor]:
        known = self.point.derivations.known
        return dict(differentiate(self._again, self.point.cotangent, known).values)

    @cached_property
    def _at_kink(self) -> Reference:
        """Return the derivatives for other last digits that leave equal what is equal."""
        exact, known = exact_results(self.point.decomposition.trace), self.point.derivations.known
        again = with_other_values(
            self.point, lambda tensor: perturb_alike(tensor, 1, LARGER * STEP), leaf=torch.clone, exact=exact
        )
        return differentiate(again, self.point.cotangent, known)

    @cached_property
    def _has_jumped(self) -> bool:
        """Return whether some call is at a jump, of which such digits choose the side: another rank of a matrix."""
        return any(map(self._jumps, self.point.decomposition.trace.calls))

    def _jumps(self, call: TracedCall) -> bool:
        """Return whether a result moves by far more than an operand does: by itself, and as a part of it."""
        moves = [self._move(traced, entrywise=call.op.is_entrywise) for traced in call.inputs]
        part, farthest = torch.tensor(LARGER * STEP), torch.zeros(())
        for move, size in moves:
            part = torch.maximum(part, (move / size).nan_to_num(nan=0.0))
            farthest = torch.maximum(farthest, move)
        results = [self._move(traced, entrywise=call.op.is_entrywise) for traced in call.outputs]
        return any(bool((move > JUMP * torch.maximum(part * size, farthest)).any()) for move, size in results)

    def _move(self, traced: TracedTensor, *, entrywise: bool) -> tuple[Tensor, Tensor]:
        """Return how far the run moves an entry, and how large it is, before or after; else those that are most.

        A truth value that becomes another one moves by 1.
        """
        node, other = (
            torch.stack([part.tensor.to(torch.float64) for part in parts(of.nodes[traced])]) for of in self._both
        )
        move = (other - node).nan_to_num().abs().amax(0)
        size = torch.maximum(node.abs(), other.abs()).amax(0)
        return (move, size) if entrywise or not move.numel() else (move.amax(), size.amax())

    @property
    def _both(self) -> tuple[Decomposition, Decomposition]:
        return self.point.decomposition, self._again


def with_other_last_bits(point: Point, seed: int, exact: frozenset[TracedTensor]) -> Decomposition:
    """Return the definitions with other last digits of every result but the `exact` ones; leaves are exact too."""
    generator = torch.Generator().manual_seed(seed)
    return with_other_values(
        point, lambda tensor: perturb(tensor, generator, LARGER * STEP), leaf=torch.clone, exact=exact
    )


def _loses(call: TracedCall, exact: frozenset[TracedTensor], sizes: SizesOfEntries) -> bool:
    """Return whether a sum cancels numbers that are not exact, or absorbs some."""
    is_pointwise = call.op.kind is Kind.POINTWISE
    if not (is_sum(call) if is_pointwise else call.op.kind in SUMMING):
        return False
    terms = [term for term in call.inputs if term.is_inexact]
    totals = [total for total in call.outputs if total.is_inexact]
    if is_pointwise:
        return any(_loses_digits(_sizes(total), terms, exact) for total in totals)
    largest = max([sizes.of(term)[1] for term in terms], default=0.0)
    return any(sizes.of(total)[1] < CANCELLED * largest for total in totals)


def _loses_digits(total: Tensor, terms: list[TracedTensor], exact: frozenset[TracedTensor]) -> bool:
    count = max(1, total.numel())
    for traced in terms:
        size = _sizes(traced)
        cancelled = traced not in exact and bool((total < CANCELLED / count * size).any())
        if cancelled or bool(((size < ABSORBED / count * total) & (size != 0)).any()):
            return True
    return False


def is_sum(call: TracedCall) -> bool:
    """Return whether a pointwise call is a sum or a difference."""
    return call.op.kind is Kind.POINTWISE and _is_sum(call.op.definition)


@cache
def _is_sum(formula: str) -> bool:
    body = expression_tree(formula)
    return isinstance(body, ast.BinOp) and isinstance(body.op, ast.Add | ast.Sub)


def _sizes(traced: TracedTensor) -> Tensor:
    return traced.tensor.detach().abs()


def _size(tensor: Tensor) -> float:
    return largest_size(tensor) if tensor.numel() else 0.0
