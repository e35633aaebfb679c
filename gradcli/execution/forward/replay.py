"""A trace as a function of some of its tensors: its calls run again, for finite differences to step through.

Only what depends on those tensors through calls that a gradient passes is run again, so that what autograd counts as a
constant (a detached tensor, a mask, an index, a branch taken) stays one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.tracer import Trace, TracedCall, TracedTensor


@dataclass(frozen=True, slots=True)
class Replay:
    """A trace in double precision; `values` has every tensor of it."""

    trace: Trace
    values: Mapping[TracedTensor, Tensor]

    @staticmethod
    def of(trace: Trace) -> Replay:
        """Return the replay of a trace at its own point."""
        start = {leaf: double(leaf.tensor) for leaf in trace.leaves}
        values = {traced: traced.tensor.detach() for call in trace.calls for traced in call.outputs}
        with double_precision(), torch.no_grad():
            return Replay(trace, {**values, **start, **_run(trace, start, {**values, **start})})

    def output(self, changed: Mapping[TracedTensor, Tensor]) -> Tensor:
        """Return the output with other values of some tensors."""
        with double_precision():
            return {**self.values, **_run(self.trace, dict(changed), self.values)}[self.trace.output]


def _run(
    trace: Trace, changed: dict[TracedTensor, Tensor], values: Mapping[TracedTensor, Tensor]
) -> dict[TracedTensor, Tensor]:
    """Return all that changes with some tensors."""
    for call in trace.calls:
        wanted = [traced for traced in call.outputs if traced.tensor.requires_grad and traced not in changed]
        if wanted and any(traced in changed for traced in call.inputs):
            results = call.run(_symmetric(call, {**values, **changed}, values))
            changed |= {traced: results[traced] for traced in wanted}
    return changed


def _symmetric(
    call: TracedCall, now: Mapping[TracedTensor, Tensor], before: Mapping[TracedTensor, Tensor]
) -> Mapping[TracedTensor, Tensor]:
    """Return values with what changed of a symmetric operand made symmetric: PyTorch may read one triangle alone."""
    operands = [call.arguments.bound.get(name) for name in call.op.symmetric]
    changed = {operand: now[operand] - before[operand] for operand in operands if isinstance(operand, TracedTensor)}
    return {**now, **{operand: before[operand] + (move + move.mH) / 2 for operand, move in changed.items()}}
