"""Values that are equal as far as rounding goes, where a program asks whether they are: as `mode` does, and `==`.

Two that symmetry alone makes equal, |fft(x)| at a frequency and its mirror image, are so by the chance of their last
digits, and next to the point they are not. What the program does there says nothing of a gradient at the point.
"""

from __future__ import annotations

import torch

from gradcli.execution.comparison.nonfinite import at_jump
from gradcli.execution.forward.again import Again
from gradcli.execution.forward.selecting import is_exact
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.report.notes import NoteKind, noted

CHANCE = noted(
    NoteKind.ROUNDING,
    "rounding decides which values are equal here, and so what the program computes next to this point",
)


def rests_on_chance(rerun: Again, traced: TracedTensor) -> bool:
    """Return whether a tensor is, through calls that round, on the way to where equal values are asked for."""
    reached, rounded = {traced}, set[TracedTensor]()
    for call in rerun.trace.calls:
        inputs = reached.intersection(call.inputs)
        if not inputs:
            continue
        if not rounded.isdisjoint(inputs) and _finds_equal(call):
            return True
        reached.update(call.outputs)
        if not rounded.isdisjoint(inputs) or not is_exact(call):
            rounded.update(call.outputs)
    return False


def _finds_equal(call: TracedCall) -> bool:
    """Return whether a call asks for equal values, and finds some."""
    if call.op.name == "mode":
        return at_jump(call)
    values = [traced.tensor for traced in call.outputs]
    if call.op.name == "eq":
        return any(bool(value.any()) for value in values)
    return call.op.name == "ne" and not all(bool(torch.all(value)) for value in values)
