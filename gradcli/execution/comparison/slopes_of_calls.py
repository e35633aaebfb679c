"""Slopes of one call: by forward mode, and the size of the terms that they are sums of."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.trace import TracedCall, TracedTensor, replaced, traced_in
from gradcli.ops.record import Kind

# Along so many ways of the entries at random their terms are seen.
WAYS = 3
# What is continuous changes by no more than this part of it in a short step, or so many times what its slopes say.
BROKEN, STEEPER = 1e-3, 16.0

# Forward mode and reverse mode are the same if their products are, within this part of their terms. Of these kinds they
# are by PyTorch's own making.
ADJOINT = 1e-9
SAME_RULES = (Kind.POINTWISE, Kind.MOVEMENT)

Tangents = dict[TracedTensor, Tensor]
Slopes = tuple[Tensor, ...]
Run = Callable[..., list[Tensor]]
Pull = Callable[[Sequence[Tensor]], Sequence[Tensor]]


def is_real(traced: TracedTensor) -> bool:
    """Return whether a tensor has slopes."""
    return traced.tensor.is_floating_point()


def largest(tensor: Tensor) -> float:
    """Return the size of the largest entry; 0 where there is none."""
    return float(tensor.detach().abs().amax()) if tensor.numel() else 0.0


def still(call: TracedCall, moving: Tangents, result: Tensor) -> Tensor | bool:
    """Return where no operand of a pointwise call moves: infinity times that is nothing."""
    if call.op.kind is not Kind.POINTWISE or any(tangent.shape != result.shape for tangent in moving.values()):
        return False
    return torch.stack([tangent == 0 for tangent in moving.values()]).all(0)


def terms(call: TracedCall, values: Tangents, moving: Tangents) -> Tangents:
    """Return the size of what the slopes of results are sums of, as far as it is seen: by each operand alone.

    An op that adds up entries is seen to do so where each goes its own way, and a pointwise one where each of its
    operands does, at each place at which it is read: x/x has the terms of two.
    """
    if call.op.kind is not Kind.POINTWISE:
        return _sizes_of_slopes(call, values, [_scattered(moving, seed) for seed in range(WAYS)])
    ways = [{traced: tangent} for traced, tangent in moving.items()]
    if any(is_repeated(call, traced) for traced in moving):
        call, places = _read_apart(call)
        values = {**values, **{place: values[traced] for place, traced in places.items()}}
        ways = [{place: moving[traced]} for place, traced in places.items() if traced in moving]
    if len(ways) > 1:
        return _sizes_of_slopes(call, values, ways)
    return {result: torch.zeros_like(result.tensor) for result in call.outputs if is_real(result)}


def _read_apart(call: TracedCall) -> tuple[TracedCall, dict[TracedTensor, TracedTensor]]:
    """Return a call that reads another tensor at each place, and which it stands for."""
    places: dict[TracedTensor, TracedTensor] = {}

    def apart(traced: TracedTensor) -> TracedTensor:
        place = dataclasses.replace(traced)
        places[place] = traced
        return place

    own = call.arguments
    arguments = BoundCall(own.node, replaced(own.positional, apart), replaced(own.keywords, apart), own.bound)
    return dataclasses.replace(call, arguments=arguments), places


def _sizes_of_slopes(call: TracedCall, values: Tangents, ways: Sequence[Tangents]) -> Tangents:
    """Return the sum of the sizes of slopes along some ways of a call's operands."""
    found = [dict(forward(call, values, way)) for way in ways]
    return {result: torch.stack([one[result].abs() for one in found]).sum(0) for result in found[0]}


def _scattered(moving: Tangents, seed: int) -> Tangents:
    generator = torch.Generator().manual_seed(seed)
    return {
        traced: tangent * torch.randn(tangent.shape, generator=generator, dtype=torch.float64)
        for traced, tangent in moving.items()
    }


def is_repeated(call: TracedCall, operand: TracedTensor) -> bool:
    """Return whether a call has an operand more than once."""
    return traced_in([call.arguments.positional, call.arguments.keywords]).count(operand) > 1


def forward(call: TracedCall, values: Tangents, tangents: Tangents) -> Iterator[tuple[TracedTensor, Tensor]]:
    """Yield the real results of a call with their slopes, by forward mode; by reverse mode where the two differ."""
    results = [traced for traced in call.outputs if is_real(traced)]
    if not results:  # what is decided has no slopes
        return

    def run(*tensors: Tensor) -> list[Tensor]:
        made = call.run({**values, **dict(zip(tangents, tensors, strict=True))})
        return [made[traced] for traced in results]

    point, ways = tuple(values[traced] for traced in tangents), tuple(tangents.values())
    _, found, *_ = torch.func.jvp(run, point, ways)
    if call.op.kind not in SAME_RULES:
        found = _as_backward(run, point, ways, found)
    yield from zip(results, (slope.detach() for slope in found), strict=True)


def _as_backward(run: Run, point: Slopes, ways: Slopes, found: Sequence[Tensor]) -> Sequence[Tensor]:
    """Return slopes by reverse mode, if forward mode has others: that of logcumsumexp divides by 10^-13 more.

    That they differ is seen by one product: <w, J t> is not <J^T w, t>.
    """
    values, pull = _backward(run, point)
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(value.shape, generator=generator, dtype=value.dtype) for value in values]
    one, other = _products(weights, found), _products(pull(weights), ways)
    allowed = ADJOINT * float(torch.cat([one, other]).abs().sum())
    if not math.isfinite(allowed) or abs(float(one.sum() - other.sum())) <= allowed:
        return found
    return [_by_rows(pull, [*map(torch.zeros_like, values)], place, ways) for place in range(len(values))]


def _backward(run: Run, point: Slopes) -> tuple[list[Tensor], Pull]:
    """Return a call's results, and reverse mode from weights of them to its operands."""
    with torch.enable_grad():
        own = [operand.detach().clone().requires_grad_() for operand in point]
        values = run(*own)
    live = [place for place, value in enumerate(values) if value.requires_grad]

    def pull(weights: Sequence[Tensor]) -> list[Tensor]:
        if not live:
            return [torch.zeros_like(operand) for operand in own]
        results, of_results = [values[place] for place in live], [weights[place] for place in live]
        found: tuple[Tensor | None, ...] = torch.autograd.grad(
            results, own, of_results, retain_graph=True, allow_unused=True
        )
        return [torch.zeros_like(one) if slope is None else slope for one, slope in zip(own, found, strict=True)]

    return [value.detach() for value in values], pull


def _products(ones: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    return torch.cat([(one * other).reshape(-1) for one, other in zip(ones, others, strict=True)])


def _by_rows(pull: Pull, zeros: list[Tensor], place: int, ways: Slopes) -> Tensor:
    """Return the slopes of one of several results, each entry by a row of its Jacobian."""
    like = zeros[place]
    units = torch.eye(like.numel(), dtype=like.dtype).reshape(-1, *like.shape)
    rows = (pull([*zeros[:place], unit, *zeros[place + 1 :]]) for unit in units)
    return torch.stack([_products(row, ways).sum() for row in rows]).reshape(like.shape)


def breaks(call: TracedCall, own: Tangents, moving: Tangents, slopes: Tangents, step: float) -> bool:
    """Return whether a call changes by far more than its slopes say, for a step relative to the entries that it moves.

    pinv jumps where the rank of a matrix falls, which is no condition on single entries.
    """
    fastest = max(map(largest, moving.values()))
    if not sys.float_info.min <= fastest < math.inf:  # else it has too few digits
        return False
    sizes = {traced: torch.where(own[traced] == 0, 1.0, own[traced].abs()) for traced in moving}
    length = step * min(
        float((sizes[t] / slope.abs())[slope != 0].amin()) for t, slope in moving.items() if slope.any()
    )
    beside = call.run({**own, **{traced: own[traced] + length * slope for traced, slope in moving.items()}})
    for traced, slope in slopes.items():
        allowed = max(BROKEN * largest(traced.tensor), STEEPER * length * largest(slope), step)
        if not largest(beside[traced] - traced.tensor) <= allowed:
            return True
    return False
