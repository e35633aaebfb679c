"""The calls of a trace run again: what code computes by a tensor on the way, where it decides nothing by values.

Code itself runs again from its leaves alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.forward.again import Again, Key, Perturb, RefusedError
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor

Values = dict[TracedTensor, Tensor]
# What autograd takes for constant would move with the rest.
DETACHING = frozenset({"detach", "detach_"})


@dataclass(frozen=True, slots=True)
class Retrace:
    """A trace's calls in double precision, as a function of its tensors."""

    trace: Trace
    leaves: Mapping[TracedTensor, TracedTensor]
    """The trace's leaves in double precision."""
    may_decide: bool = False

    @staticmethod
    def of(rerun: Again) -> Retrace | None:
        """Return the calls of code's trace; None where they are not all that the code does."""
        trace = rerun.trace
        if rerun.may_decide or any(map(_is_open, trace.calls)) or trace.output.tensor.dtype != torch.float64:
            return None
        return Retrace(trace, rerun.leaves)

    @property
    def calls(self) -> Sequence[TracedCall]:
        """Return the calls at the trace's own point."""
        return self.trace.calls

    def key_of(self, _: TracedTensor) -> Key | None:
        """Return nothing: calls are not told apart."""
        return None

    def value(self, traced: TracedTensor) -> Tensor | None:
        """Return the value of a tensor of the trace in double precision."""
        return double(traced.tensor.detach())

    @property
    def is_unsteady(self) -> bool:
        """Return that it computes one value."""
        return False

    def output(self, changed: Mapping[TracedTensor, Tensor]) -> Tensor:
        """Return the output with other values of some tensors; RefusedError where a call does not run."""
        return self.result(self.trace.output, changed)

    def result(
        self, traced: TracedTensor, changed: Mapping[TracedTensor, Tensor], perturb: Perturb | None = None
    ) -> Tensor:
        """Return a tensor with other values of some; as `output` otherwise."""
        return self.run(changed, perturb)[1].get(traced, traced.tensor.detach())

    def run(self, changed: Mapping[TracedTensor, Tensor], perturb: Perturb | None = None) -> tuple[Tensor, Values]:  # noqa: ARG002
        """Return the output, and the tensors that depend on those that are changed."""
        values = dict(changed)
        try:
            with double_precision(), torch.no_grad():
                for call in self.trace.calls:
                    if any(traced in values for traced in call.inputs):
                        found = call.run({one: values.get(one, one.tensor.detach()) for one in call.inputs})
                        values = {one: found[one] for one in call.outputs} | values
        except REFUSALS as error:
            raise RefusedError(str(error)) from error
        output = self.trace.output
        return values.get(output, output.tensor.detach()), values

    def decides_otherwise(self, changed: Mapping[TracedTensor, Tensor], perturb: Perturb | None = None) -> bool:  # noqa: ARG002
        """Return that nothing is decided."""
        return False


def _is_open(call: TracedCall) -> bool:
    """Return whether a call is not one of its operands' values alone."""
    return call.gap is not None or call.inner is not None or call.draws or call.op.name in DETACHING
