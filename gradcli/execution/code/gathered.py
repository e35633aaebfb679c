"""The trace of a value that code has computed: the steps behind it, in the order in which they ran."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from gradcli.execution.forward.followed import Followed, Ran, steps_behind
from gradcli.execution.forward.inner import between
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor, traced_in

WRITTEN = "memory that a call had read was written to unseen before backward: its values are no longer known"


def gathered(output: Followed, leaves: Sequence[Followed]) -> Trace:
    """Return the trace behind an output; `leaves` come first, whether they are behind it or not."""
    steps = steps_behind(output)
    calls = [_checked(call) for step in steps for call in step.calls]
    others = _given(calls, output, leaves)
    unnamed = [traced for traced in others if not _is_shown(traced)]
    inner = [traced for call in calls for traced in call.outputs if not _is_shown(traced)]
    ambiguous = {traced for call in calls for traced in (*between(call, calls), *_ambiguous(call))} - {output}
    trace = Trace([*leaves, *others], calls, output, hidden=frozenset([*unnamed, *inner, *ambiguous]))
    trace.precision, trace.ran = _lowest(trace), Ran(tuple(steps))
    return trace


def _ambiguous(call: TracedCall) -> list[TracedTensor]:
    return [traced for traced in call.outputs if isinstance(traced, Followed) and traced.is_ambiguous]


def _checked(call: TracedCall) -> TracedCall:
    """Return a call; a gap where its operands no longer hold what it read."""
    changed = any(isinstance(traced, Followed) and _is_changed(traced) for traced in call.inputs)
    return TracedCall(call.op, call.arguments, call.result, gap=WRITTEN) if changed and call.gap is None else call


def _is_changed(traced: Followed) -> bool:
    return not traced.tensor.is_inference() and traced.tensor._version != traced.version  # noqa: SLF001


def _given(calls: Sequence[TracedCall], output: Followed, leaves: Sequence[Followed]) -> list[TracedTensor]:
    """Return what the calls read that none of them made, beside the leaves."""
    made = {traced for call in calls for traced in traced_in(call.result)}
    read = [*(traced for call in calls for traced in call.inputs), output]
    given = [traced for traced in dict.fromkeys(read) if traced not in made and traced not in leaves]
    for traced in given:
        traced.is_leaf = True
    return given


def _is_shown(traced: TracedTensor) -> bool:
    return isinstance(traced, Followed) and traced.edge is not None and traced.tensor.requires_grad


def _lowest(trace: Trace) -> torch.dtype | None:
    """Return the lowest dtype that a gradient passes through, if it is lower than all of the leaves'."""
    own = max((_eps(leaf) for leaf in trace.leaves if leaf not in trace.hidden), default=0.0)
    passed = [traced for call in trace.calls for traced in call.outputs if traced.tensor.requires_grad]
    lowest = max(passed, key=_eps, default=None)
    return lowest.tensor.dtype if lowest is not None and _eps(lowest) > own else None


def _eps(traced: TracedTensor) -> float:
    tensor = traced.tensor
    return float(torch.finfo(tensor.dtype).eps) if tensor.is_floating_point() or tensor.is_complex() else 0.0
