"""Whether kinks of single ops are kinks by a tensor at all: the smaller of two equal values that are one has none.

Quotients of the whole program may not tell: what else it does is too steep, or too large. Those of the op's own result
may, as a function of the same tensor; and a program bends nowhere where no result does that bends in an op.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from gradcli.execution.forward.again import Again
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.decomposition import DecomposedCall, Decomposition
from gradcli.execution.witnesses.agreement import MOST_KINKS, agreement
from gradcli.execution.witnesses.grain import grain_of
from gradcli.execution.witnesses.line import Line, Values
from gradcli.execution.witnesses.nearer import CLEAR
from gradcli.execution.witnesses.noise import noise_of
from gradcli.execution.witnesses.quotients import by_entries
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

DOUBLE = Tolerance.of("float64")


def kinks_cancel(rerun: Again, decomposition: Decomposition, traced: TracedTensor) -> bool:
    """Return whether every result of an op at a kink is smooth by a tensor, with the gradient that autograd gives it.

    Only entries at the kink count. False where that is not known, or where no op is at a kink.
    """
    found = list(_at_kinks(decomposition))
    return bool(found) and all(_is_smooth(rerun, result, mask, traced) for result, mask in found)


def _at_kinks(decomposition: Decomposition) -> Iterator[tuple[TracedTensor, Tensor]]:
    """Yield the results of calls at kinks, with 1 where they are, and 0 elsewhere; not indices, which have no slope."""
    for call in decomposition.calls:
        masks = [node.kinks() for node in call.nodes if node.kinks is not None]
        if any(bool(mask.any()) for mask in masks):
            for result in (traced for traced in call.call.outputs if _has_slopes(traced.tensor)):
                yield from ((result, mask) for mask in _each(_where(call, result, masks)))


def _has_slopes(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def _each(mask: Tensor) -> Iterator[Tensor]:
    """Yield the entries of a mask, each by itself: beside a larger one a smaller may not be seen; all, if too many."""
    places = mask.reshape(-1).nonzero()[:, 0]
    if len(places) > MOST_KINKS:
        yield mask
        return
    for place in places:
        yield torch.nn.functional.one_hot(place, mask.numel()).to(torch.float64).reshape(mask.shape)


def _where(call: DecomposedCall, result: TracedTensor, masks: list[Tensor]) -> Tensor:
    alone = len(masks) == 1 and sum(_has_slopes(traced.tensor) for traced in call.call.outputs) == 1
    known = alone and masks[0].shape == result.tensor.shape
    return masks[0].to(torch.float64) if known else torch.ones(result.tensor.shape, dtype=torch.float64)


def _is_smooth(rerun: Again, result: TracedTensor, mask: Tensor, traced: TracedTensor) -> bool:
    value = rerun.value(traced)
    if value is None or value.is_complex() or result.tensor.is_complex():
        return False

    def function(tensors: Values) -> Tensor:
        return rerun.result(result, {traced: tensors["value"]})

    own = value.detach().clone().requires_grad_()
    try:
        with torch.enable_grad():
            weighted = (function({"value": own}) * mask).sum()
            (gradient,) = torch.autograd.grad(weighted, own, allow_unused=True) if weighted.requires_grad else (None,)
    except RuntimeError:  # it does not run, or has no derivative
        return False
    if gradient is None:
        return True
    line = Line.of(
        function, {"value": value}, ["value"], mask, replace(grain_of(rerun), noise=noise_of(rerun, mask, result))
    )
    quotients = by_entries(line)
    if agreement(line, quotients, gradient, DOUBLE, bends=True).verdict is not Verdict.MATCH:
        return False
    claimed = quotients.of(gradient).abs()
    seen = quotients.error <= CLEAR * claimed.amax()
    return bool((seen | (claimed == 0)).all())  # what is lost beside large numbers is not smooth
