"""How much of the jumps of single ops reaches the output: what is less than rounding, no run of the program shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from torch import Tensor

from gradcli.execution.comparison.local_jumps import jumps_of
from gradcli.execution.comparison.nonfinite import at_jump
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor

Gradients = Mapping[TracedTensor, Tensor | None]


def least_jump(
    trace: Trace, traced: TracedTensor, gradients: Gradients, lost: frozenset[TracedTensor] = frozenset()
) -> float:
    """Return the smallest jump of an op on the way of a tensor, as large as the output sees it; infinite without one.

    To first order that is the op's own jump times the gradient by its result; of a result that is `lost` it is 0.
    """
    calls = [*at_jumps_after(trace, traced)]
    if any(not lost.isdisjoint(call.outputs) for call in calls):
        return 0.0
    return min((size for call in calls for size in _passed_on(call, gradients)), default=math.inf)


def least_slope(gradients: Gradients) -> float:
    """Return the size of the smallest entry of any gradient that is not 0; infinite without one.

    To first order a kink of an op is no smaller, as the output sees it.
    """
    sizes = [double(gradient).abs() for gradient in gradients.values() if gradient is not None]
    return min((float(size[size > 0].amin()) for size in sizes if bool((size > 0).any())), default=math.inf)


def at_jumps_after(trace: Trace, traced: TracedTensor) -> Iterator[TracedCall]:
    """Yield the calls at a jump that depend on a tensor."""
    reached = {traced}
    for call in trace.calls:
        if not reached.isdisjoint(call.inputs):
            reached.update(call.outputs)
            if at_jump(call):
                yield call


def _passed_on(call: TracedCall, gradients: Gradients) -> Iterator[float]:
    for output, jump in jumps_of(call):
        gradient = gradients.get(output)
        if gradient is None:
            continue
        passed = (double(gradient).abs() * jump).nan_to_num(nan=math.inf, posinf=math.inf)
        some = passed[passed > 0]
        yield from [float(some.amin())] if some.numel() else []
