"""By which operands the value of one call jumps, where its op says that it may: by its own values next to the point."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.trace import TracedCall, TracedTensor, traced_in
from gradcli.ops.record import Kind

# Steps, relative to the entries: what is continuous changes much less for the second.
STEPS = (2.0**-36, 2.0**-40)
# A change that the shorter step leaves as large as this part of it is a jump.
LASTING = 0.5
# Rounding may be as large as this, relative to the values.
ROUNDING = 1e-13


def jumping_operands(call: TracedCall) -> Iterator[TracedTensor]:
    """Yield the operands of a call by which its value jumps: x**y at 0, 0 jumps by y, and is 1 for all x."""
    if len([*traced_in([call.arguments.positional, call.arguments.keywords])]) == 1:
        yield from call.inputs  # it can be by no other, though no step may be short enough to show it
        return
    values = {traced: double(traced.tensor.detach()) for traced in call.inputs}
    before = _results(call, values)
    for traced, value in values.items():
        if value.is_floating_point() and any(_jumps(call, values, traced, side, before) for side in _sides(value)):
            yield traced


def jumps_of(call: TracedCall) -> Iterator[tuple[TracedTensor, Tensor]]:
    """Yield the real results of a call with how far each entry jumps, 0 where it does not.

    It is the least of the jumps by any operand to any side where there is one: which of them the program makes is not
    known. 0**y jumps to 0 above y = 0, and to infinity below.
    """
    values = {traced: double(traced.tensor.detach()) for traced in call.inputs}
    before = _results(call, values)
    found = [torch.zeros_like(result) for result in before]
    for traced, value in values.items():
        for side in _sides(value) if value.is_floating_point() else ():
            pairs = _far_and_near(call, values, traced, side, before)
            sizes = _sizes(call, before)
            lasting = [torch.where(_lasts(*pair, old), pair[1], 0.0) for pair, old in zip(pairs, sizes, strict=True)]
            found = [_least(one, other) for one, other in zip(found, lasting, strict=True)]
    yield from zip([traced for traced in call.outputs if not traced.tensor.is_complex()], found, strict=True)


def limits_of(call: TracedCall) -> Iterator[tuple[TracedTensor, Tensor]]:
    """Yield the real results of a call that jump with their values next to the point, by each operand to each side."""
    values = {traced: double(traced.tensor.detach()) for traced in call.inputs}
    before, results = _results(call, values), [traced for traced in call.outputs if not traced.tensor.is_complex()]
    for traced, value in values.items():
        for side in (torch.ones_like(value), -torch.ones_like(value)) if value.is_floating_point() else ():
            pairs = _far_and_near(call, values, traced, side, before)
            there = _results(call, {**values, traced: value + STEPS[-1] * side * value.abs().clamp_min(1.0)})
            for result, pair, old, new, size in zip(results, pairs, before, there, _sizes(call, before), strict=True):
                jumps = _lasts(*pair, size)
                if bool(jumps.any()):
                    yield result, torch.where(jumps, new, old)


def _sides(value: Tensor) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)
    signs = 2.0 * torch.randint(0, 2, value.shape, generator=generator) - 1
    yield from (torch.ones_like(value), -torch.ones_like(value), signs, -signs)


def _jumps(
    call: TracedCall, values: dict[TracedTensor, Tensor], traced: TracedTensor, side: Tensor, before: list[Tensor]
) -> bool:
    pairs = _far_and_near(call, values, traced, side, before)
    sizes = _sizes(call, before)
    return any(bool(_lasts(*pair, old).any()) for pair, old in zip(pairs, sizes, strict=True) if old.numel())


def _far_and_near(
    call: TracedCall, values: dict[TracedTensor, Tensor], traced: TracedTensor, side: Tensor, before: list[Tensor]
) -> list[tuple[Tensor, Tensor]]:
    """Return how far each result changes for the longer step of an operand, and for the shorter."""
    value = values[traced]
    moved = [value + step * side * value.abs().clamp_min(1.0) for step in STEPS]
    far, near = (_changes(_results(call, {**values, traced: one}), before) for one in moved)
    return list(zip(far, near, strict=True))


def _least(one: Tensor, other: Tensor) -> Tensor:
    """Return the smaller of two jumps in each entry, 0 being none."""
    return torch.where((one == 0) | (other == 0), torch.maximum(one, other), torch.minimum(one, other))


def _sizes(call: TracedCall, before: list[Tensor]) -> list[Tensor]:
    """Return what the rounding of each entry is relative to: itself in a pointwise call, else the largest."""
    alone = call.op.kind is Kind.POINTWISE
    return [result.abs() if alone or not result.numel() else result.abs().amax() for result in before]


def _lasts(first: Tensor, last: Tensor, size: Tensor) -> Tensor:
    """Return where a change is a jump: it does not vanish with the step, or is infinite from the first."""
    visible = last > ROUNDING * size.clamp_min(1.0)
    return ((last > LASTING * first) & visible) | last.isinf()


def _results(call: TracedCall, values: dict[TracedTensor, Tensor]) -> list[Tensor]:
    results = call.run(values)
    return [results[traced].detach().to(torch.float64) for traced in call.outputs if not results[traced].is_complex()]


def _changes(after: list[Tensor], before: list[Tensor]) -> list[Tensor]:
    return [(new - old).abs() for new, old in zip(after, before, strict=True)]
