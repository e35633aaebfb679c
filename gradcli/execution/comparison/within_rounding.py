"""The verdict on a gradient that is as far from the symbolic one as rounding may move it."""

from __future__ import annotations

import dataclasses

from torch import Tensor

from gradcli.execution.comparison.derivatives import is_lost
from gradcli.report.comparison import Comparison
from gradcli.report.notes import NoteKind, noted
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

ROUNDING = noted(NoteKind.ROUNDING, "agrees within rounding: cancellation leaves few digits of this gradient")
CANCELLED = noted(NoteKind.ROUNDING, "zero, within rounding: the terms that this gradient is the sum of cancel")
UNDERFLOW = noted(
    NoteKind.ROUNDING,
    "numbers on the way are so small here that they have few digits left, or none: what they hide is not known",
)
CANCELLATION = noted(
    NoteKind.ROUNDING,
    "autograd and the symbolic derivative lose the same digits here: a difference of rounded numbers on the way leaves "
    "this gradient none that is right",
)
ILL_CONDITIONED = noted(
    NoteKind.ROUNDING,
    "this point is too ill-conditioned to decide: autograd is off by no more than rounding may move the derivative",
)


def within_rounding(
    again: Comparison, gradient: Tensor, reference: Tensor, error: Tensor, *, cotangent: Tensor, tolerance: Tolerance
) -> Comparison:
    """Return the verdict on a gradient that rounding by itself may have moved so far from the symbolic one."""
    if tolerance.normwise:
        return dataclasses.replace(again, notes=ROUNDING)
    if is_lost(again, gradient, reference, cotangent):
        return dataclasses.replace(again, verdict=Verdict.UNDECIDED, notes=ILL_CONDITIONED)
    is_zero = bool((reference.abs() <= error).all())
    return dataclasses.replace(again, notes=CANCELLED if is_zero else ROUNDING)
