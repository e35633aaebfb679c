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
BETWEEN = noted(NoteKind.KINK, "autograd's choice lies between the one-sided second derivatives")
NONE = noted(NoteKind.UNDEFINED, "the gradient bends or jumps at this point, so that there is no second derivative")


@dataclass(frozen=True, slots=True)
class Sides:
    """The derivatives of a gradient to both sides of a point."""

    below: Tensor
    above: Tensor
    jump: Tensor
    """How far apart the limits of the gradient itself are."""
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
        return apart <= self.slack and not bool((self.jump > SIDED * max(self.size, 1.0)).any())

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
    return Sides(below, above, (high - low).abs(), max(low_error, high_error))


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
