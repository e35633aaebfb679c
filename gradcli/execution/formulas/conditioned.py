"""Whether gradients at a point are more than rounding: next to a singular matrix they are not."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradcli.execution.forward.trace import Trace
from gradcli.ops.record import Kind

# What solves systems, or is defined by its solution.
FAMILIES = frozenset({"factorisations"})
# By how much, relative to the entry, a value is changed, and how far a gradient may go with that.
NUDGE, MOST = 2.0**-44, 1e-6
# How far, relative to the largest entry, gradients may be from those in single precision.
SINGLE = 1e-2


def may_be_singular(trace: Trace) -> bool:
    """Tell whether a program solves systems, or takes matrices apart."""
    return any(call.op.kind is Kind.IMPLICIT or call.op.family in FAMILIES for call in trace.calls)


def nudged(value: Tensor, seed: int) -> Tensor:
    """Return a tensor with the last digits of its entries changed, each by its own part of NUDGE."""
    generator = torch.Generator().manual_seed(seed)
    return value * (1 + NUDGE * torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value.dtype))


def is_settled(gradients: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    """Tell whether gradients are what they are next to a point, all but the last digits; small ones are as they are."""
    largest = max((float(one.abs().max()) for one in gradients if one.numel()), default=0.0)
    apart = (float((one - other).abs().max()) for one, other in zip(gradients, others, strict=True) if one.numel())
    return all(size <= MOST * max(largest, 1.0) for size in apart)


def keep_digits(gradients: Sequence[Tensor], singles: Sequence[Tensor]) -> bool:
    """Tell whether each gradient keeps two digits in single precision, and so more than nine in double precision."""
    pairs = [(one, single.to(one.dtype)) for one, single in zip(gradients, singles, strict=True) if one.numel()]
    return all(float((one - single).abs().max()) <= SINGLE * float(one.abs().max()) for one, single in pairs)
