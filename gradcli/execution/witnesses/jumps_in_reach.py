"""Whether steps reach the jumps of ops at all: not past rounding or underflow, and not beside the largest numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from gradcli.execution.comparison.jump_sizes import at_jumps_after
from gradcli.execution.comparison.nonfinite import discontinuities
from gradcli.execution.comparison.slopes_of_calls import Tangents
from gradcli.execution.forward.again import Again
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.execution.witnesses.line import EPSILON
from gradcli.execution.witnesses.quotients import UNDERFLOW
from gradcli.ops.record import Kind

# What moves by fewer units in the last place may be what rounding does; a stair is as high, where that is more than 1.
ULPS = 4.0
# A step, relative to an entry, that moves whatever depends on it.
LONG = 2.0**-12
# Of so many entries at jumps each is looked at by itself.
MOST_JUMPS = 12


def moves(rerun: Again, traced: TracedTensor, steps: Tensor) -> bool:
    """Return whether such steps of the entries of a tensor move all that ops at a jump read and that longer ones do.

    1 + x is 1 for an x too small, x**2 is 0, and x/x is 1 for any.
    """
    value = rerun.value(traced)
    assert value is not None  # noqa: S101 (there is a question about it)
    short = {traced: value + steps.reshape(value.shape)}
    long = {traced: value + LONG * steps.sign().reshape(value.shape) * value.abs().clamp_min(1.0)}
    try:
        return all(_moves_all(rerun, call, short, long) for call in at_jumps_after(rerun.trace, traced))
    except RuntimeError:  # at the end of a domain
        return False


def _moves_all(rerun: Again, call: TracedCall, short: Tangents, long: Tangents) -> bool:
    """Return whether short steps move each entry of a call's operands at a jump that long ones do."""
    jumps, operands = discontinuities(call), dict.fromkeys(call.inputs)
    still = ((one, ~_is_moved(rerun, one, short) & _is_moved(rerun, one, long)) for one in operands)
    return not any(bool((mask & jumps if mask.shape == jumps.shape else mask).any()) for one, mask in still)


def _is_moved(rerun: Again, operand: TracedTensor, moved: Tangents) -> Tensor:
    """Return which entries of an operand move by more than their last bits."""
    before = rerun.value(operand)
    if operand in moved or before is None:
        return torch.full(operand.tensor.shape, operand in moved)
    return (_made(rerun, operand, moved) - before).abs() > ULPS * EPSILON * before.abs()


def _made(rerun: Again, operand: TracedTensor, moved: Tangents) -> Tensor:
    return rerun.leaves[operand].tensor if operand in rerun.leaves else rerun.result(operand, moved)


def is_tiny(value: Tensor) -> bool:
    """Return whether an entry is so small, and not 0, that the squares of what it moves by are 0."""
    return bool(((value.abs() < UNDERFLOW) & (value != 0)).any())


def next_stairs(rerun: Again, calls: Iterable[TracedCall]) -> Iterator[tuple[TracedTensor, Tensor]]:
    """Yield what ops make whose stairs are hidden, one stair higher or lower, or by more than its last bits."""
    for one in (one for call in calls for one in call.outputs):
        value = rerun.value(one)
        if value is not None and value.is_floating_point():
            height = (ULPS * EPSILON * value.abs()).clamp_min(1.0)
            yield from ((one, value + height), (one, value - height))


def stay_within(
    rerun: Again, traced: TracedTensor, jumping: Iterable[TracedCall], hidden: Iterable[TracedCall]
) -> bool:
    """Return whether calls that jump are step functions with hidden stairs, and the output is the same on the next.

    It is the same further on as well, or rounding would hide that it is not: the logarithm of 1e17 + 1. And it is where
    the tensor itself is beside its value, or a factor of 0 would; nor has the output a slope by a stair, which no sum
    absorbs. Stairs are looked at one by one, and all together.
    """
    calls = list(hidden)
    if not all(any(call is other for other in calls) for call in jumping):
        return False
    if not all(call.op.kind is Kind.CONSTANT and len(call.outputs) == 1 for call in calls):
        return False
    jumps = {call.outputs[0]: discontinuities(call) for call in calls}
    if not all(mask.shape == one.tensor.shape and int(mask.sum()) <= MOST_JUMPS for one, mask in jumps.items()):
        return False
    try:
        others = (*next_stairs(rerun, calls), *_further(rerun, calls))
        shifted = [(one, _only(one, moved, at)) for one, moved in others for at in _each(jumps[one])]
        return all(_is_level(rerun, start, shifted) for start in ({}, _beside(rerun, traced)))
    except RuntimeError:  # at the end of a domain
        return False


def _is_level(rerun: Again, start: Tangents, shifted: Iterable[tuple[TracedTensor, Tensor]]) -> bool:
    """Return whether the output is the same from a start, be a tensor what it is or shifted, and level on both."""
    return all(_is_same(rerun, start, one, moved) for one, moved in shifted)


def _is_same(rerun: Again, start: Tangents, one: TracedTensor, moved: Tensor) -> bool:
    value = rerun.value(one)
    assert value is not None  # noqa: S101 (it has been moved)
    tensors = [shifted.clone().requires_grad_() for shifted in (moved, value)]
    outputs = [rerun.output(start | {one: tensor}) for tensor in tensors]
    at = moved != value
    return torch.equal(*outputs) and not any(_is_sloped(*pair, at) for pair in zip(outputs, tensors, strict=True))


def _is_sloped(output: Tensor, tensor: Tensor, at: Tensor) -> bool:
    """Return whether the output has a slope by some entries of a tensor."""
    if not output.requires_grad:
        return False
    cotangent = torch.rand(output.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    slopes: Sequence[Tensor | None] = torch.autograd.grad(output, tensor, cotangent.to(output), allow_unused=True)
    (slope,) = slopes
    return slope is not None and bool((at & (slope != 0)).any())


def _beside(rerun: Again, traced: TracedTensor) -> Tangents:
    """Return a tensor a little further from 0, each entry by another part of it; one of 0 moves up."""
    value = rerun.value(traced)
    assert value is not None  # noqa: S101 (there is a question about it)
    generator = torch.Generator().manual_seed(0)
    part = LONG * (0.5 + torch.rand(value.shape, generator=generator, dtype=torch.float64))
    return {traced: value + part * torch.where(value == 0, 1.0, value)}


def _further(rerun: Again, calls: Iterable[TracedCall]) -> Iterator[tuple[TracedTensor, Tensor]]:
    """Yield what ops make, many stairs higher or lower."""
    values = {one: rerun.value(one) for call in calls for one in call.outputs}
    yield from (
        (one, value * (1 + side)) for one, value in values.items() if value is not None for side in (LONG, -LONG)
    )


def _each(mask: Tensor) -> Iterator[Tensor]:
    """Yield a mask, and one for each place where it holds."""
    yield mask
    for place in mask.reshape(-1).nonzero()[:, 0]:
        yield torch.nn.functional.one_hot(place, mask.numel()).bool().reshape(mask.shape)


def _only(one: TracedTensor, moved: Tensor, at: Tensor) -> Tensor:
    return torch.where(at, moved, one.tensor.detach().to(moved))
