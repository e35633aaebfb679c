"""Jumps that a later call absorbs in rounding, be its derivative 0 at the point: hypot(floor(x), 1e9) at 0.

To first order nothing changes there, and no run shows that anything does. The slope along the way from a value to its
limit tells: where it adds up to a change, and the result of the call stays the same, rounding hides that change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import torch
from torch import Tensor

from gradcli.execution.comparison.local_jumps import limits_of
from gradcli.execution.comparison.slopes_of_calls import Tangents, forward, is_real, terms
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor

# The nodes of the quadrature: it is exact for polynomials of twice that degree, and for a period of a sine.
NODES = 16
# What is no more than this part of the slope's size on the way adds up to nothing.
NOTHING = 1e-6
# A result stays the same if it changes by no more than so many units in the last place.
EPSILON, ULPS = torch.finfo(torch.float64).eps, 8.0
# Of how many entries, and how large, at most.
MOST_ENTRIES, LARGEST = 16, 4096


def is_absorbed(trace: Trace, call: TracedCall, stopped: Mapping[TracedTensor, Tensor], live: Tangents) -> bool:
    """Return whether a jump of a call at entries that are `stopped` is lost on the way to what is live."""
    calls = trace.calls[trace.calls.index(call) + 1 :]
    if any(one.gap is not None for one in calls):
        return False
    if any(traced.tensor.numel() > LARGEST for one in (call, *calls) for traced in (*one.inputs, *one.outputs)):
        return False
    try:
        return any(_is_absorbed(calls, result, limit, live) for result, limit in _limits(call, stopped))
    except REFUSALS:  # a call does not run there, or has no forward mode
        return False


def _limits(call: TracedCall, stopped: Mapping[TracedTensor, Tensor]) -> Iterator[tuple[TracedTensor, Tensor]]:
    """Yield the results that jump with their limits, an entry at a time."""
    for result, limit in limits_of(call):
        own = double(result.tensor)
        jumps = stopped.get(result, torch.zeros_like(own).bool()) & (limit != own) & limit.isfinite()
        for place in jumps.reshape(-1).nonzero()[:MOST_ENTRIES, 0]:
            moved = own.clone()
            moved.reshape(-1)[place] = limit.reshape(-1)[place]
            yield result, moved


def _is_absorbed(calls: list[TracedCall], result: TracedTensor, limit: Tensor, live: Tangents) -> bool:
    moved = {result: limit}
    for call in calls:
        if moved.keys().isdisjoint(call.inputs):
            continue
        own = {traced: double(traced.tensor) for traced in call.inputs}
        there = call.run({**own, **{traced: moved[traced] for traced in call.inputs if traced in moved}})
        if _hides_change(
            call, own, moved, {one: _is_same(there[one], one) & live[one] for one in there if one in live}
        ):
            return True
        moved |= {traced: there[traced].detach() for traced in call.outputs}
    return False


def _hides_change(call: TracedCall, own: Tangents, moved: Tangents, same: Tangents) -> bool:
    """Return whether a result that stays the `same` should change, by no more than its rounding."""
    if not any(map(_any, same.values())):
        return False
    changes = ((one, change) for one, change in hidden_changes(call, own, moved) if one in same)
    return any(_any(same[one] & (change > 0) & (change <= _rounding(one))) for one, change in changes)


def _is_same(value: Tensor, traced: TracedTensor) -> Tensor:
    before = double(traced.tensor)
    if not is_real(traced):
        return torch.zeros(before.shape, dtype=torch.bool)
    return (value - before).abs() <= _rounding(traced)


def _rounding(traced: TracedTensor) -> Tensor:
    return ULPS * EPSILON * double(traced.tensor).abs()


def hidden_changes(call: TracedCall, own: Tangents, moved: Tangents) -> Iterator[tuple[TracedTensor, Tensor]]:
    """Yield the results of a call with what their slope on the way to other operands adds up to; 0 for nothing."""
    ways = {t: moved[t] - own[t] for t in call.inputs if t in moved and is_real(t) and _any(moved[t] != own[t])}
    if not ways:
        return
    found = [_slopes_at(call, own, ways, part) for part, _ in _nodes()]
    weights = [weight for _, weight in _nodes()]
    for result in found[0]:
        parts = torch.stack([weight * one[result] for weight, one in zip(weights, found, strict=True)])
        change = parts.sum(0).abs()
        yield result, torch.where(change > NOTHING * parts.abs().sum(0), change, 0.0)


def _slopes_at(call: TracedCall, own: Tangents, ways: Tangents, part: float) -> Tangents:
    """Return the slopes of a call's results at a part of the way, 0 where they may be what rounding left."""
    values = own | {traced: own[traced] + part * way for traced, way in ways.items()}
    sizes = terms(call, values, {t: torch.where(way == 0, 0.0, own[t].abs() + way.abs()) for t, way in ways.items()})
    return {
        traced: torch.where(slope.abs() <= ULPS * EPSILON * sizes[traced], 0.0, slope)
        for traced, slope in forward(call, values, ways)
    }


@cache
def _nodes() -> list[tuple[float, float]]:
    """Return the nodes and weights of Gauss's quadrature on [0, 1].

    They are the eigenvalues and eigenvectors of Jacobi's matrix. (Golub and Welsch, 1969.)
    """
    degrees = torch.arange(1, NODES, dtype=torch.float64)
    beside = degrees / (4 * degrees.square() - 1).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(beside, 1) + torch.diag(beside, -1))
    return list(zip(((1 + nodes) / 2).tolist(), vectors[0].square().tolist(), strict=True))


def _any(mask: Tensor) -> bool:
    return bool(mask.any())
