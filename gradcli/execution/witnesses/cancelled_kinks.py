"""Whether kinks of single ops are kinks by a tensor at all: the smaller of two equal values that are one has none.

Quotients of the whole program may not tell: what else it does is too steep, or too large. Those of the op's own result
may, as a function of the same tensor; and a program bends nowhere where no result does that bends in an op. Nor does
one where the operands of that op move to second order alone: |x⁴| at 0, whose quotients are too small to be sure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from gradcli.execution.comparison.nonfinite import has_jump
from gradcli.execution.forward.again import Again
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.execution.reference.decomposition import DecomposedCall, Decomposition
from gradcli.execution.witnesses.agreement import MOST_KINKS, agreement
from gradcli.execution.witnesses.grain import grain_of
from gradcli.execution.witnesses.line import Line, ScalarFunction
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
    steps = has_jump(rerun.trace)  # the derivative of which is 0, too
    return bool(found) and all(
        (not steps and _is_still(rerun, call, result, mask, traced)) or _is_smooth(rerun, result, mask, traced)
        for call, result, mask in found
    )


def _at_kinks(decomposition: Decomposition) -> Iterator[tuple[TracedCall, TracedTensor, Tensor]]:
    """Yield calls at kinks with each result, and 1 where it is, 0 elsewhere; not indices, which have no slope."""
    for call in decomposition.calls:
        masks = [node.kinks() for node in call.nodes if node.kinks is not None]
        if any(bool(mask.any()) for mask in masks):
            for result in (traced for traced in call.call.outputs if _has_slopes(traced.tensor)):
                yield from ((call.call, result, mask) for mask in _each(_where(call, result, masks)))


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


def _is_still(rerun: Again, call: TracedCall, result: TracedTensor, mask: Tensor, traced: TracedTensor) -> bool:
    """Return whether no operand of a call at a kink has a derivative by a tensor that is not 0, where the kink is.

    The slopes to both sides of what has finite ones are then 0, whichever of them a gradient is made of.
    """
    value = rerun.value(traced)
    operands = [operand for operand in call.inputs if _has_slopes(operand.tensor) and not operand.is_leaf]
    if value is None or traced in call.inputs or any(one.tensor.is_complex() for one in (result, traced, *operands)):
        return False
    try:
        return all(_is_zero(_gradient(_of(rerun, one, traced), value, _weights(one, mask))) for one in operands)
    except RuntimeError:  # it does not run, or has no derivative
        return False


def _of(rerun: Again, result: TracedTensor, traced: TracedTensor) -> ScalarFunction:
    return lambda tensors: rerun.result(result, {traced: tensors["value"]})


def _is_zero(gradient: Tensor | None) -> bool:
    return gradient is None or not bool((gradient != 0).any())


def _weights(operand: TracedTensor, mask: Tensor) -> Tensor:
    """Return weights of an operand's entries, by which no derivatives cancel: of all where it has another shape."""
    generator = torch.Generator().manual_seed(0)
    drawn = 0.5 + torch.rand(operand.tensor.shape, generator=generator, dtype=torch.float64)
    return drawn * mask if operand.tensor.shape == mask.shape else drawn


def _gradient(function: ScalarFunction, value: Tensor, weights: Tensor) -> Tensor | None:
    """Return autograd's gradient of a weighted sum of a function's values; None if it does not depend on `value`."""
    own = value.detach().clone().requires_grad_()
    with torch.enable_grad():
        weighted = (function({"value": own}) * weights).sum()
        if not weighted.requires_grad:
            return None
        found: tuple[Tensor | None, ...] = torch.autograd.grad(weighted, own, allow_unused=True)
    return found[0]


def _is_smooth(rerun: Again, result: TracedTensor, mask: Tensor, traced: TracedTensor) -> bool:
    value = rerun.value(traced)
    if value is None or value.is_complex() or result.tensor.is_complex():
        return False

    function = _of(rerun, result, traced)
    try:
        gradient = _gradient(function, value, mask)
    except RuntimeError:  # it does not run, or has no derivative
        return False
    if gradient is None:
        return True
    line = Line.of(
        function, {"value": value}, ["value"], mask, replace(grain_of(rerun), noise=noise_of(rerun, mask, result))
    )
    quotients = by_entries(line)
    found = agreement(line, quotients, gradient, DOUBLE, bends=True)
    if found.verdict is not Verdict.MATCH:
        return False
    claimed = quotients.of(gradient).abs()
    seen = (quotients.error if found.error is None else found.error) <= CLEAR * claimed.amax()
    return bool((seen | (claimed == 0)).all())  # what is lost beside large numbers is not smooth
