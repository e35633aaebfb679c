"""The Taylor test of dolfin-adjoint: the remainder L(x + h·d) - L(x) - h·⟨gradient, d⟩ vanishes as h².

The order of the remainder is 2 for a right gradient and 1 for a wrong one.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.witnesses.agreement import agreement
from gradcli.execution.witnesses.line import EPSILON, Line, random_directions, real
from gradcli.execution.witnesses.question import Question
from gradcli.execution.witnesses.quotients import Quotients, along
from gradcli.report.notes import NoteKind, noted
from gradcli.report.report import WitnessReport
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance
from gradcli.witnesses import WitnessRow

# The remainder is taken at steps 2^-k.
HALVINGS = range(4, 28)
# A remainder counts where it is this many times larger than its rounding error.
VISIBLE = 300.0
# A remainder of a lower order than this is not that of a smooth function with a right gradient.
LOWEST_ORDER = 1.5

NOT_SMOOTH = noted(NoteKind.KINK, "the remainder's order is that of a function that is not smooth here")
LINEAR = noted(NoteKind.WITNESS, "no remainder: the function is linear along this direction")


@dataclass(frozen=True, slots=True)
class Remainder:
    """How the Taylor remainder vanishes along one direction."""

    order: float | None
    """Infinite for a remainder of zero, None where none can be seen."""
    linear_error: float
    """The part of the directional derivative that the gradient has wrong, relative to the gradient."""
    quotients: Quotients
    """The derivative along the direction."""
    second_order: float | None = None
    """That of the remainder after the second term: 3 if autograd's second derivative is right; None without one."""


@dataclass(frozen=True, slots=True)
class Taylor:
    """The order of the Taylor remainder along one random direction."""

    row: WitnessRow

    def check(self, question: Question, gradient: Tensor, tolerance: Tolerance) -> WitnessReport:
        """Return what the Taylor test says of a gradient."""
        roundoff = tolerance.relative if tolerance.normwise else 0.0
        found = remainder(question.line, gradient, roundoff)
        decides, excused = question.jumps or question.decides, question.excused
        said = agreement(
            question.line,
            found.quotients,
            gradient,
            tolerance,
            may_bend=question.bends,
            decides=decides,
            excused=excused,
        )
        verdict, notes = said.verdict, said.notes
        if verdict is Verdict.MATCH and found.order is not None and found.order < LOWEST_ORDER:
            verdict, notes = Verdict.UNDECIDED, NOT_SMOOTH
        elif verdict is Verdict.MATCH and found.order == math.inf:
            notes = LINEAR
        elif verdict is Verdict.MATCH and found.order is None and tolerance.normwise:
            words = f"the gradient's own rounding, {tolerance.relative:g}, hides the remainder's order"
            notes = noted(NoteKind.ROUNDING, words)
        order, second, error = found.order, found.second_order, found.linear_error
        if not math.isfinite(error):  # no step can be taken
            order = second = None
        return WitnessReport(verdict, order=order, second_order=second, linear_error=error, notes=notes)


def remainder(line: Line, gradient: Tensor, roundoff: float = 0.0) -> Remainder:
    """Return how the remainder of a gradient vanishes along one random direction.

    `roundoff` is the relative error that the gradient is allowed (it may have come in a lower precision): smaller
    steps, which it would show at, are left out.
    """
    directions = random_directions(1, line.start.numel())
    quotients = along(line, directions)
    if not line.start.numel():
        return Remainder(math.inf, 0.0, quotients)
    flat = real(gradient.detach()).reshape(-1).to(torch.float64)
    slope = float(directions[0] @ flat)
    size = max(float(flat.norm()), abs(float(quotients.value)))
    error = abs(float(quotients.value) - slope) / size if size else 0.0
    order = _order(line, directions[0], slope, roundoff=roundoff)
    curvature = None if roundoff else _curvature(line, directions[0])
    second = None if curvature is None else _order(line, directions[0], slope, curvature)
    return Remainder(order, error, quotients, second)


def _curvature(line: Line, direction: Tensor) -> float | None:
    """Return dᵀ·H·d by differentiating autograd's own gradient; None if it cannot be differentiated again."""
    start = line.start.clone().requires_grad_()
    try:
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (first,) = torch.autograd.grad(line.change(start), start, create_graph=True)
            (second,) = torch.autograd.grad(first @ direction, start)
    except RuntimeError:  # no second derivative, or one that does not depend on the tensor
        return None
    curvature = float(second @ direction)
    return curvature if math.isfinite(curvature) else None


def _order(line: Line, direction: Tensor, slope: float, curvature: float = 0.0, roundoff: float = 0.0) -> float | None:
    """Return the order between the two smallest steps at which the remainder is well above its rounding error."""
    steps = torch.tensor([2.0**-k for k in HALVINGS], dtype=torch.float64) * line.size
    changes = line.changes(direction[None], torch.zeros(1, dtype=torch.long), steps[None])[0]
    remainders = (changes - steps * slope - steps.square() / 2 * curvature).abs()
    noise = 4 * (line.rounding + EPSILON * steps * abs(slope))
    seen = (remainders > VISIBLE * noise) & (remainders > 30 * roundoff * abs(slope) * steps)
    inside = remainders.isfinite()  # a long step may leave the function's domain
    if bool(inside.any()) and bool((remainders <= VISIBLE * noise)[inside].all()):
        return math.inf
    pairs = (seen[:-1] & seen[1:]).nonzero()[:, 0]
    if not len(pairs):
        return None
    last = int(pairs[-1])
    return float((remainders[last] / remainders[last + 1]).log2())
