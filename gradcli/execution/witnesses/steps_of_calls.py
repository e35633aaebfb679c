"""How far to move the operands of a call to be next to where they are: each entry relative to its size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from gradcli.execution.comparison.nonfinite import discontinuities
from gradcli.execution.comparison.slopes_of_calls import Tangents, forward, is_real, largest
from gradcli.execution.forward.overlapping import is_entrywise
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.execution.reference.layout import broadcast
from gradcli.execution.witnesses.grain import LARGEST_WITH_STAIRS
from gradcli.execution.witnesses.line import EPSILON
from gradcli.execution.witnesses.nearing import UnknownError
from gradcli.execution.witnesses.quotients import UNDERFLOW
from gradcli.ops.record import Kind
from gradcli.ops.signature import defaults

# Results are the same within this, relative to the largest.
ROUNDED = 1e-12
# What is continuous changes by no more than this many times a step, relative to its size.
FAR = 2.0**12
# What rounding leaves of a stair is less than so many units in the last place.
ULPS = 4.0
# Squares of what is larger by this factor do not underflow, be it next to the smallest numbers.
LARGER = 2.0**700


def next_numbers(call: TracedCall, value: Tensor, tangent: Tensor) -> Tensor:
    """Return the numbers next to some; where none is near enough for a step function's stairs, those themselves.

    It is on that stair there, which the next number may not be on, or jumps: see `on_other_stairs`.
    """
    stays = tangent == 0
    if call.discontinuities is not None:
        stays = stays | (value.abs() > LARGEST_WITH_STAIRS)
    return torch.where(stays, value, torch.nextafter(value, tangent.sign() * torch.inf))


def on_other_stairs(call: TracedCall, results: Tangents, tangents: Tangents, stair: float, seed: int) -> Tangents:
    """Return a step function's results so many stairs, or last bits, further where it jumps and no number shows how.

    Each entry is on a stair of its own, at random: none knows of the others. UnknownError where they are not known.
    """
    if call.discontinuities is None or not any(map(is_real, call.outputs)):
        return results
    (traced,), (result,) = [one for one in call.inputs if one in tangents], call.outputs
    far = (traced.tensor.detach().abs() > LARGEST_WITH_STAIRS) & (tangents[traced] != 0) & discontinuities(call)
    if not bool(far.any()):
        return results
    if far.shape != result.tensor.shape or call.op.kind is not Kind.CONSTANT:
        raise UnknownError
    value = results[result]
    further = stair * torch.randn(far.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    height = (ULPS * EPSILON * value.abs()).clamp_min(1.0)
    return results | {result: torch.where(far, value + (further * height).trunc(), value)}


def relative_speeds(call: TracedCall, tangents: Tangents, fastest: float) -> Tangents:
    """Return how fast the operands' entries go: relative to the fastest that they are read with.

    These are the operands' entries at its place if the call is one entry by entry: 1 beside 1e17 has to move too.
    """
    shapes = {tuple(tangent.shape) for tangent in tangents.values()}
    alone = is_entrywise(call.op.name) and shapes == {tuple(traced.tensor.shape) for traced in call.outputs}
    if not alone or not fastest:
        return {traced: tangent / (fastest or 1.0) for traced, tangent in tangents.items()}
    most = torch.stack([tangent.abs() for tangent in tangents.values()]).amax(0)
    return {traced: tangent / most.where(most > 0, 1.0) for traced, tangent in tangents.items()}


def sizes_of_steps(call: TracedCall, own: Tangents, tangents: Tangents) -> Iterator[tuple[TracedTensor, Tensor]]:
    """Yield the operands that move with what each entry's step is relative to: the smallest number it is read with.

    These are the operands' entries at its place; where the operands have no places in common, all of them. A 0 that
    stays where it is sets no scale beside a number; one that moves is also near others of the call, as eps is.
    """
    reals = {traced: own[traced] for traced in call.inputs if is_real(traced)}
    shape = broadcast([tuple(tensor.shape) for tensor in reals.values()])
    together = all(tensor.shape in {torch.Size(shape), torch.Size([])} for tensor in reals.values())
    smallest = _smallest(reals.values())
    near = min([smallest, *_numbers(call)])
    sizes = [_scale(tensor, tangents.get(traced), near).expand(shape) for traced, tensor in reals.items() if together]
    for traced in (traced for traced in call.inputs if traced in tangents):
        if not together:
            yield traced, torch.where(own[traced] == 0, near, torch.full_like(own[traced], smallest))
            continue
        least = torch.stack(sizes).amin(0)
        least = least.where(least.isfinite(), smallest)
        yield traced, least if own[traced].shape == least.shape else least.amin()


def may_underflow(call: TracedCall, own: Tangents, moved: Tangents, tangents: Tangents) -> bool:
    """Return whether squares of what a composite call's operands move by may be 0: those of a norm, not of a sum.

    They are not where all operands may be larger by one factor, and the slopes are the same.
    """
    if call.op.kind is not Kind.COMPOSITE:
        return False
    if not any(bool((size < UNDERFLOW).any()) for _, size in sizes_of_steps(call, own, tangents)):
        return False
    ways = {traced: tangents[traced] for traced in moved}
    larger = {traced: value * LARGER if is_real(traced) else value for traced, value in (own | moved).items()}
    pairs = zip(forward(call, own | moved, ways), forward(call, larger, ways), strict=True)
    return not all(torch.equal(one, other) for (_, one), (_, other) in pairs)


def _scale(tensor: Tensor, tangent: Tensor | None, smallest: float) -> Tensor:
    """Return the sizes of entries; of a 0, that of the smallest, or none at all if it does not move or is no number."""
    moves = torch.zeros_like(tensor) if tangent is None else tangent
    zero = torch.where(moves == 0, torch.inf, smallest)
    return torch.where(tensor == 0, zero, tensor.abs()).nan_to_num(torch.inf, torch.inf)


def _numbers(call: TracedCall) -> Iterator[float]:
    """Yield the sizes of the numbers that a call is given, or takes without being given."""
    for value in {**defaults(call.op.signature), **call.arguments.bound}.values():
        if isinstance(value, float) and value and math.isfinite(value):
            yield abs(value)


def _smallest(tensors: Iterable[Tensor]) -> float:
    sizes = torch.cat([tensor.abs().reshape(-1) for tensor in tensors])
    sizes = sizes[(sizes > 0) & sizes.isfinite()]
    return min(1.0, float(sizes.amin())) if sizes.numel() else 1.0


def allowed_of(step: float, call: TracedCall, before: Tensor, *, is_moved: bool) -> Tensor | float:
    """Return how far a result may be from what it was before, and be no jump: a step function is exact."""
    if call.op.kind is Kind.CONSTANT:
        return 0.0
    if is_moved:
        return step * FAR * (largest(before) or 1.0)
    return ROUNDED * (before.abs() if call.op.kind is Kind.POINTWISE else largest(before))
