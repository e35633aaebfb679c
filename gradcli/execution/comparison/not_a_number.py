"""Tensors whose values lead to an output that is NaN or infinite: such a function has no derivative by them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import torch
from torch import Tensor

from gradcli.execution.comparison.nonfinite import numbers_in, value_made
from gradcli.execution.forward.finite import all_finite
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor
from gradcli.ops.record import Kind
from gradcli.report.notes import NoteKind, Notes, noted

Bad = Callable[[Tensor], Tensor]


def resting_on_nonfinite_output(trace: Trace, cotangent: Tensor) -> dict[TracedTensor, Notes]:
    """Return, for each tensor by which a NaN or an infinity of the output came about, what made the first.

    An infinity counts if it is made of finite numbers: one that is given may be meant. `cotangent` has the output's
    shape; where it is 0 the output does not count.
    """
    if all_finite(trace.output.tensor.detach()):
        return {}
    for bad in (torch.isnan, torch.isinf):
        if bool((_where(trace.output, bad) & (cotangent != 0)).any()):
            reached = _reached(trace, bad)
            return dict.fromkeys(reached, notes) if (notes := _reason(trace, reached, bad)) else {}
    return {}


def _reached(trace: Trace, bad: Bad) -> Collection[TracedTensor]:
    """Return the tensors by which what is bad in the output came about."""
    reached = {trace.output}
    for call in reversed(trace.calls):
        if not reached.isdisjoint(call.outputs):
            reached.update(_leading(call, bad))
    return reached


def _leading(call: TracedCall, bad: Bad) -> Iterable[TracedTensor]:
    """Return the operands by which a result came about: of data that was moved, those that are bad, if any is."""
    moved = [traced for traced in call.inputs if _is_bad(traced, bad)] if call.op.kind is Kind.MOVEMENT else []
    return moved or call.inputs


def _reason(trace: Trace, reached: Collection[TracedTensor], bad: Bad) -> Notes:
    """Return what made the first bad number: a call of operands that hold none, or a leaf's own value."""
    for call in trace.calls:
        for output in call.outputs:
            if output in reached and _is_bad(output, bad) and not _is_given(call, bad):
                return value_made(trace, call, output, _where(output, bad))
    if bad is torch.isinf:
        return ()
    leaf = next(leaf for leaf in trace.leaves if leaf in reached and _is_bad(leaf, bad))
    return noted(NoteKind.UNDEFINED, f"the value of '{leaf.text}' is NaN", leaf.text)


def _is_given(call: TracedCall, bad: Bad) -> bool:
    """Return whether a call has bad operands; a number that is written as infinite is one."""
    return any(_is_bad(traced, bad) for traced in call.inputs) or (
        bad is torch.isinf and any(bool(bad(number).any()) for number in numbers_in(call))
    )


def _is_bad(traced: TracedTensor, bad: Bad) -> bool:
    return bool(_where(traced, bad).any())


def _where(traced: TracedTensor, bad: Bad) -> Tensor:
    tensor = traced.tensor.detach()
    return bad(tensor) if tensor.is_floating_point() or tensor.is_complex() else torch.zeros_like(tensor).bool()
