"""What difference quotients say of a gradient: a verdict that knows their own error."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from gradcli.execution.comparison.compare import Tolerance
from gradcli.execution.witnesses.quotients import Quotients
from gradcli.report.report import Verdict

# How many times their estimated error quotients are allowed to be off.
SAFETY = 10.0
# Quotients whose error may be larger than this, relative to the gradient, say nothing; nor may it be relative to the
# terms of the output, where the gradient is as good as zero.
CLEAR, CLEAR_OF_OUTPUT = 1e-4, 1e-8
# One-sided derivatives are different where they are this far apart, relative to the gradient.
SIDED = 1e-3


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether a gradient agrees with difference quotients."""

    verdict: Verdict
    max_abs_error: float | None
    note: str | None = None


def agreement(quotients: Quotients, gradient: Tensor, tolerance: Tolerance) -> Agreement:
    """Return the verdict of difference quotients on a gradient, and the largest difference."""
    claimed, value = quotients.of(gradient), quotients.value
    if not claimed.numel():
        return Agreement(Verdict.MATCH, 0.0)
    if bool(claimed.isnan().any()):
        return Agreement(Verdict.UNDEFINED, None, "the gradient is NaN")
    spread = 1.0 if quotients.directions is None else 3 * math.sqrt(gradient.numel())
    size = max(float(claimed.abs().nan_to_num(0.0, 0.0).max()), float(value.abs().nan_to_num(0.0, 0.0).max()))
    own = SAFETY * quotients.error
    largest = spread * float(gradient.abs().max())
    granted = tolerance.relative * largest + tolerance.absolute * (spread if tolerance.normwise else largest)
    error = (claimed - value).abs()
    wrong = ~((error <= own + granted) | (claimed == value))
    sided = wrong & _between(quotients, claimed, size)
    unclear = ~((own <= CLEAR * size) | (own <= CLEAR_OF_OUTPUT * quotients.magnitude)) & (claimed != value)
    largest_error = float(error.max()) if bool(error.isfinite().all()) else None
    if bool((wrong & ~sided & ~unclear).any()):
        return Agreement(Verdict.MISMATCH, largest_error)
    if bool(unclear.any()):
        return Agreement(Verdict.UNDECIDED, largest_error, "the differences are not accurate enough here to tell")
    return Agreement(Verdict.SUBGRADIENT if bool(sided.any()) else Verdict.MATCH, largest_error)


def _between(quotients: Quotients, claimed: Tensor, size: float) -> Tensor:
    """Return where a gradient lies between one-sided derivatives that are not the same."""
    below, above = quotients.below, quotients.above
    slack = SIDED * size / 10
    low, high = below.minimum(above) - slack, below.maximum(above) + slack
    return ((above - below).abs() > SIDED * size) & (low <= claimed) & (claimed <= high)
