"""Tensors whose values lead to an output that is NaN: a function that is not a number has no derivative by them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gradcli.execution.comparison.nonfinite import value_made
from gradcli.execution.forward.tracer import Trace, TracedCall, TracedTensor


def resting_on_nan(trace: Trace, cotangent: Tensor) -> dict[TracedTensor, str]:
    """Return, for each tensor by which a NaN of the output came about, what made the NaN.

    A NaN is followed from the output back through the operands that hold one, as far as the call that made it of
    operands that do not, and on to what these are made of. `cotangent` has the output's shape; where it is 0 the output
    does not count.
    """
    if not bool((_nan(trace.output) & (cotangent != 0)).any()):
        return {}
    reached = {trace.output}
    found: dict[TracedTensor, str] = {}
    for call in reversed(trace.calls):
        outputs = [output for output in call.outputs if output in reached]
        followed = [traced for traced in call.inputs if bool(_nan(traced).any())] or list(call.inputs)
        reached.update(followed if outputs else ())
    for call, output in _made(trace):
        if output in reached:
            reason = value_made(trace, call, output, _nan(output))
            found |= {traced: reason for traced in reached if traced not in found and _between(trace, traced, output)}
    return found


def _made(trace: Trace) -> Iterator[tuple[TracedCall, TracedTensor]]:
    """Yield the calls that make a NaN of operands that hold none, each with the result that holds it."""
    for call in trace.calls:
        if not any(bool(_nan(traced).any()) for traced in call.inputs):
            yield from ((call, output) for output in call.outputs if bool(_nan(output).any()))


def _between(trace: Trace, traced: TracedTensor, output: TracedTensor) -> bool:
    """Return whether a tensor is a result that holds NaN itself, or one that leads to it."""
    leading = {output}
    for call in reversed(trace.calls):
        if not leading.isdisjoint(call.outputs):
            leading.update(call.inputs)
    return traced in leading or bool(_nan(traced).any())


def _nan(traced: TracedTensor) -> Tensor:
    tensor = traced.tensor.detach()
    return tensor.isnan() if tensor.is_floating_point() or tensor.is_complex() else torch.zeros_like(tensor).bool()
