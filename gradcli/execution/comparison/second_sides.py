"""Second derivatives where a program bends: what the quotients of its gradient to both sides say of them.

A symbolic derivative is that of one choice at a kink, and so is autograd's: at the kink of a norm both take 0 for the
second derivative of its square, which is 2. Quotients of the gradient at points nearby take no choice.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.report.comparison import Comparison
from gradcli.report.notes import NoteKind, noted
from gradcli.report.verdict import Verdict

# Steps are this long, relative to the entry; both sides differ, or a gradient jumps, if by this much of the largest.
STEP, SIDED = 1e-4, 1e-4
# Quotients that may be further off than this, relative to the largest, say nothing.
CLEAR = 1e-2
# A gradient that jumps at the point does so by as much, but for a part of it, between steps as short as these. By less
# than this, relative to it, it does so by rounding.
NEXT, AS_MUCH, JUMPS = (1e-9, 6e-10), 0.25, 1e-11
BETWEEN = noted(NoteKind.KINK, "autograd's choice lies between the one-sided second derivatives")
NONE = noted(NoteKind.UNDEFINED, "the gradient bends or jumps at this point, so that there is no second derivative")
JUMP = "the gradient jumps by {:.6g} at this point, so that there is no second derivative"


@dataclass(frozen=True, slots=True)
class Sides:
    """The derivatives of a gradient to both sides of a point."""

    below: Tensor
    above: Tensor
    jump: Tensor
    """How far apart the limits of the gradient itself are; 0 where that is no more than it may be off by."""
    error: float
    """An estimate of how far off a derivative may be."""
    granted: float = 0.0
    """How far off a derivative that is compared may be beside."""

    @property
    def size(self) -> float:
        """Return the size of the largest derivative."""
        return float(torch.maximum(self.below.abs(), self.above.abs()).max()) if self.below.numel() else 0.0

    @property
    def slack(self) -> float:
        """Return how far a derivative may lie outside."""
        return 10 * self.error + SIDED * max(self.size, 1.0)

    @property
    def clear(self) -> bool:
        """Return whether the quotients are accurate enough to say anything."""
        return math.isfinite(self.error) and self.error <= CLEAR * max(self.size, 1.0)

    @property
    def agree(self) -> bool:
        """Return whether there is one derivative to both sides."""
        apart = float((self.above - self.below).abs().max()) if self.below.numel() else 0.0
        return apart <= self.slack and not self.jumps

    @property
    def jumps(self) -> bool:
        """Return whether the gradient itself jumps, so that there is no derivative of it."""
        return bool((self.jump > 0).any())

    def contain(self, derivative: Tensor) -> Tensor:
        """Return where a derivative lies between those to both sides."""
        low, high = self.below.minimum(self.above), self.below.maximum(self.above)
        slack = self.slack + self.granted
        return (derivative >= low - slack) & (derivative <= high + slack)

    def summed(self, axes: int) -> Sides:
        """Return the derivatives of the sum of a gradient that has so many axes."""
        below, above, jump = (
            part.sum(tuple(range(axes))) if axes else part for part in (self.below, self.above, self.jump)
        )
        return Sides(below, above, jump, self.error * self.below.numel())


def sides_of(gradient: Callable[[float], Tensor], scale: float) -> Sides:
    """Return the derivatives of a gradient at 0 to both sides, of a step of 1 times `scale`."""
    below, low, low_error = _one_side(gradient, -STEP * scale)
    above, high, high_error = _one_side(gradient, STEP * scale)
    error = max(low_error, high_error)
    return Sides(below, above, _jump(gradient, scale, low, high, STEP * scale * error), error)


def _jump(gradient: Callable[[float], Tensor], scale: float, low: Tensor, high: Tensor, error: float) -> Tensor:
    """Return how far a gradient jumps at 0, whose limits are known but for an error, and not somewhere near it."""
    jump, size = (high - low).abs(), float(torch.maximum(low.abs(), high.abs()).amax()) if low.numel() else 0.0
    noise = 10 * error + JUMPS * size
    if not bool((jump > noise).any()):
        return torch.zeros_like(jump)
    beside = [(gradient(step * scale) - gradient(-step * scale)).abs() for step in NEXT]
    at_point = torch.stack([(found - jump).abs() <= AS_MUCH * jump for found in beside]).all(0)
    return torch.where((jump > noise) & at_point, jump, 0.0)


def _one_side(gradient: Callable[[float], Tensor], step: float) -> tuple[Tensor, Tensor, float]:
    """Return the derivative to one side and the limit of the gradient, by Richardson, and an estimate of the error.

    What the gradient is at the point itself is a choice, and is not asked.
    """
    far, middle, near = (gradient(step / part) for part in (1, 2, 4))
    coarse, fine = (far - middle) / (step / 2), (middle - near) / (step / 4)
    slope = 2 * fine - coarse  # at the kink, of slopes at 3/4 and 3/8 of the step
    error = float((slope - fine).abs().max()) if slope.numel() else 0.0
    return slope, near - step / 4 * slope, error if math.isfinite(error) else math.inf


def compare_by_sides(derivative: Tensor, sides: Sides, comparison: Comparison, *, exists: bool) -> Comparison:
    """Return the comparison of PyTorch's second derivative with what the quotients say of it, if they say anything.

    `exists` says whether there is a second derivative at all.
    """
    if not sides.clear or not bool(derivative.isfinite().all()):
        return comparison
    if sides.jumps:
        words = JUMP.format(float(sides.jump.max()))
        return dataclasses.replace(comparison, verdict=Verdict.UNDEFINED, notes=noted(NoteKind.UNDEFINED, words))
    inside = sides.contain(derivative)
    if bool(inside.all()):
        passing = comparison.verdict in {Verdict.MATCH, Verdict.MISMATCH}
        between = dataclasses.replace(comparison, verdict=Verdict.SUBGRADIENT, notes=BETWEEN)
        return between if passing and not sides.agree else comparison
    if not exists:
        return dataclasses.replace(comparison, verdict=Verdict.UNDEFINED, notes=NONE)
    place = [int(index) for index in (~inside).nonzero()[0]]
    theirs, ours = float(derivative[tuple(place)]), float((sides.below + sides.above)[tuple(place)] / 2)
    where = f"at {place} " if place else ""
    words = f"{where}autograd gives {theirs:.10g}, and the quotient of the gradient is {ours:.6g} from both sides"
    return dataclasses.replace(comparison, verdict=Verdict.MISMATCH, notes=noted(NoteKind.ENTRY, words, tuple(place)))
