"""Tensors whose values lead to an output that is NaN: a function that is not a number has no derivative by them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import torch
from torch import Tensor

from gradcli.execution.comparison.nonfinite import value_made
from gradcli.execution.forward.tracer import Trace, TracedCall, TracedTensor
from gradcli.ops.record import Kind
from gradcli.report.notes import NoteKind, Notes, noted


def resting_on_nan(trace: Trace, cotangent: Tensor) -> dict[TracedTensor, Notes]:
    """Return, for each tensor by which a NaN of the output came about, what made the first NaN.

    `cotangent` has the output's shape; where it is 0 the output does not count.
    """
    if not bool((_nan(trace.output) & (cotangent != 0)).any()):
        return {}
    reached = {trace.output}
    for call in reversed(trace.calls):
        if not reached.isdisjoint(call.outputs):
            reached.update(_leading(call))
    return dict.fromkeys(reached, _reason(trace, reached))


def _leading(call: TracedCall) -> Iterable[TracedTensor]:
    """Return the operands by which a result came about: of data that was moved, those that hold a NaN, if any does."""
    moved = [traced for traced in call.inputs if _holds_nan(traced)] if call.op.kind is Kind.MOVEMENT else []
    return moved or call.inputs


def _reason(trace: Trace, reached: Collection[TracedTensor]) -> Notes:
    """Return what made the first NaN: a call of operands that hold none, or a leaf's own value."""
    for call in trace.calls:
        for output in call.outputs:
            if output in reached and _holds_nan(output) and not any(map(_holds_nan, call.inputs)):
                return value_made(trace, call, output, _nan(output))
    leaf = next(leaf for leaf in trace.leaves if leaf in reached and _holds_nan(leaf))
    return noted(NoteKind.UNDEFINED, f"the value of '{leaf.text}' is NaN", leaf.text)


def _holds_nan(traced: TracedTensor) -> bool:
    return bool(_nan(traced).any())


def _nan(traced: TracedTensor) -> Tensor:
    tensor = traced.tensor.detach()
    return tensor.isnan() if tensor.is_floating_point() or tensor.is_complex() else torch.zeros_like(tensor).bool()
