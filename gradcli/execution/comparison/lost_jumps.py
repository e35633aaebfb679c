"""Jumps of ops whose way to the output is 0 in double precision alone: tanh(floor(x)) at 40 jumps by 1e-34.

A gradient of 0 says that the output does not depend on a value, or that its derivative underflowed. For pointwise calls
the derivative to 50 digits tells which. Or it is 0 at the point alone, and the jump is absorbed: hypot(floor(x), 1e9).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from gradcli.execution.autograd.local_call import LocalCall
from gradcli.execution.comparison.absorbed_jumps import is_absorbed
from gradcli.execution.comparison.nonfinite import at_jump, discontinuities
from gradcli.execution.comparison.rounding import Point
from gradcli.execution.comparison.vanishing import MOST_ENTRIES, is_small
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.trace import TracedCall, TracedTensor

Gradients = Mapping[TracedTensor, Tensor | None]


def lost_jumps(point: Point, gradients: Gradients) -> frozenset[TracedTensor]:
    """Return results of calls that jump, by which PyTorch's gradient is 0 there though the output depends on them."""
    suspects = [call for call in point.decomposition.trace.calls if at_jump(call) and _is_stopped(call, gradients)]
    if not suspects:
        return frozenset()
    with double_precision():
        live = _live(point, suspects)
        found = [call for call in suspects if _is_lost(point, call, gradients, live)]
    return frozenset(output for call in found for output in call.outputs)


def _is_lost(point: Point, call: TracedCall, gradients: Gradients, live: Mapping[TracedTensor, Tensor]) -> bool:
    if any(map(_any, _at_jumps(call, gradients, live))):
        return True
    stopped = {output: discontinuities(call) & (gradients[output] == 0) for output in _with_gradients(call, gradients)}
    return is_absorbed(point.decomposition.trace, call, stopped, dict(live))


def _with_gradients(call: TracedCall, gradients: Gradients) -> list[TracedTensor]:
    return [output for output in call.outputs if gradients.get(output) is not None]


def _is_stopped(call: TracedCall, gradients: Gradients) -> bool:
    return any(map(_any, _at_jumps(call, gradients, {})))


def _at_jumps(call: TracedCall, gradients: Gradients, live: Mapping[TracedTensor, Tensor]) -> Iterator[Tensor]:
    """Yield where results of a call jump, no gradient passes and, if that is known, the output depends on them."""
    for output in call.outputs:
        gradient = gradients.get(output)
        if gradient is not None:
            stopped = discontinuities(call) & (gradient == 0)
            yield stopped & live[output] if output in live else stopped & (not live)


def _live(point: Point, suspects: list[TracedCall]) -> dict[TracedTensor, Tensor]:
    """Return where the output depends on tensors that the suspects lead to, as far as is known."""
    trace = point.decomposition.trace
    wanted = {output for call in suspects for output in call.outputs}
    for call in trace.calls:
        wanted.update(call.outputs if not wanted.isdisjoint(call.inputs) else ())
    live = {trace.output: point.cotangent != 0}
    for call in reversed(trace.calls):
        operands = [traced for traced in call.inputs if traced in wanted and traced.tensor.is_floating_point()]
        if operands and any(_any(live[output]) for output in call.outputs if output in live):
            for traced, mask in zip(operands, _depends(point, call, operands, live), strict=True):
                live[traced] = live[traced] | mask if traced in live else mask
    return live


def _depends(
    point: Point, call: TracedCall, operands: list[TracedTensor], live: Mapping[TracedTensor, Tensor]
) -> Iterator[Tensor]:
    """Yield where the live results of a call depend on each operand; everywhere, of a call without a definition."""
    if call.gap is not None:
        yield from (torch.ones_like(traced.tensor, dtype=torch.bool) for traced in operands)
        return
    cotangents = [_spread(live[output]) if output in live else None for output in call.outputs]
    local = LocalCall(call, {traced: double(traced.tensor.detach()) for traced in call.inputs}, cotangents)
    for traced, gradient in zip(operands, local.autograd(operands), strict=True):
        mask = gradient != 0
        for place in (~mask).reshape(-1).nonzero()[:MOST_ENTRIES, 0].tolist():
            mask.reshape(-1)[place] = is_small(point, local, traced, place)
        yield mask


def _spread(mask: Tensor) -> Tensor:
    """Return numbers that do not cancel where a mask holds, and 0 elsewhere."""
    drawn = torch.rand(mask.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return mask * (0.5 + drawn)


def _any(mask: Tensor) -> bool:
    return bool(mask.any())
