"""One-sided slopes that the chain rule does not know, infinity times 0: by a call's own results nearer and nearer.

The derivative of x·√x at 0 is 0, and by its factors 0·∞. Near the point what a call makes is a power of the distance;
the power says what its slope becomes, though it may do so too slowly for any quotient of the program to tell.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gradcli.execution.comparison.slopes_of_calls import Tangents, is_real, largest
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor

# How far to go, relative to the smallest entry that moves: 16 times less far each time.
DISTANCES = tuple(2.0**-k for k in range(24, 44, 4))
# A direction is taken as far as that where every entry moves by what it should, within this part.
RESOLVED = 0.01
# A slope is a power of the distance where it changes by the same factor each time, within this one; a limit where that
# is 1 as nearly as this; of what grows by more, a jump may be the cause.
STEADY, LIMIT, MOST = 1.1, 1e-6, 14.0


class UnknownError(Exception):
    """A one-sided derivative is not a number, or rounding hides what is next to the point."""


def slopes_nearing(trace: Trace, call: TracedCall, start: TracedTensor, direction: Tensor) -> Tangents:
    """Return the one-sided slopes of a call's real results along a direction of a tensor that leads to it.

    They are NaN where they are no powers of the distance.
    """
    own = start.tensor.detach()
    moving = own.abs()[(direction != 0) & (own != 0)]
    lengths = [one * (float(moving.amin()) if moving.numel() else 1.0) / largest(direction) for one in DISTANCES]
    found = [_results(trace, call, {start: _moved(own, length * direction)}) for length in lengths]
    return {
        result: _limit([(one[result] - result.tensor.detach()) / t for one, t in zip(found, lengths, strict=True)])
        for result in call.outputs
        if is_real(result)
    }


def _moved(start: Tensor, shift: Tensor) -> Tensor:
    moved = start + shift
    if bool(((moved - start - shift).abs() > RESOLVED * shift.abs()).any()):
        raise UnknownError
    return moved


def _results(trace: Trace, call: TracedCall, moved: Tangents) -> Tangents:
    """Return all tensors that depend on what is moved, up to the results of a call."""
    known = dict(moved)
    for other in trace.calls[: trace.calls.index(call) + 1]:
        if not known.keys().isdisjoint(other.inputs) and known.keys().isdisjoint(other.outputs):
            known |= other.run({traced: known.get(traced, traced.tensor.detach()) for traced in other.inputs})
    return known


def _limit(slopes: list[Tensor]) -> Tensor:
    """Return what slopes become, those of each entry by themselves: 0, a limit or infinity; NaN where none is seen."""
    column = torch.stack(slopes)
    still = (column == 0).all(0)
    factors = column[1:] / column[:-1]
    least, most = factors.amin(0), factors.amax(0)
    steady = (most <= STEADY * least) & (least > 0)
    falls, stays = steady & (most < 1 / STEADY), steady & (most - 1 <= LIMIT) & (1 - least <= LIMIT)
    grows = steady & (least > STEADY) & (most < MOST)
    limit = torch.where(stays, column[-1], torch.nan).masked_fill(still | falls, 0.0)
    return torch.where(grows, column[-1].sign() * torch.inf, limit)
