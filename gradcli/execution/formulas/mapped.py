"""What torch.vmap makes of a Function, beside what it makes of each sample.

PyTorch's own rules are wrong for some calls where only some tensors are mapped: `index_fill(x, 0, places, value)` gives
the value of another sample if `x` is the same for all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import first_line
from gradcli.execution.formulas.extremes import leaves_of
from gradcli.execution.formulas.points import Point
from gradcli.execution.formulas.remarks import is_apart
from gradcli.execution.forward.refusals import REFUSALS

APART = "vmap: it is not the same as sample by sample"


def mapped_problem(apply: Any, points: Sequence[Point]) -> str | None:
    """Return what is wrong with a Function of two samples, of all tensors and of each alone; None for nothing."""
    for point in points:
        other = next((one for one in points if one is not point and one.shapes == point.shapes), point)
        places = range(len(point.trace.leaves))
        alone = [{place} for place in places] if len(places) > 1 else []
        problems = (_problem(apply, point, other, several) for several in ({*places}, *alone))
        found = next((problem for problem in problems if problem), None)
        if found is not None:
            return found
    return None


def _problem(apply: Any, point: Point, other: Point, places: Collection[int]) -> str | None:
    """Compare outputs and gradients where the tensors at these places have two samples, and the others one."""
    axes = tuple(0 if place in places else None for place in range(len(point.trace.leaves)))
    given = [
        (leaf if axis is None else torch.stack([sample, leaf])).detach().requires_grad_(leaf.requires_grad)
        for axis, leaf, sample in zip(axes, leaves_of(point), leaves_of(other), strict=True)
    ]
    upstream = torch.stack([other.cotangent, point.cotangent]).detach()
    try:
        output = torch.stack([apply(*_sample(given, axes, place)) for place in (0, 1)])
        expected = [output.detach(), *_gradients(output, given, upstream)]
    except REFUSALS:  # tensors of two points need not go together
        return None
    try:
        output = torch.vmap(apply, in_dims=axes)(*given)
        found = [output.detach(), *_gradients(output, given, upstream)]
    except REFUSALS as error:  # where some tensors are mapped, a call may raise: that is no wrong number
        return f"vmap: {first_line(error)}" if len(places) == len(axes) else None
    is_known = all(bool(one.isfinite().all()) for one in expected)
    wrong = any(is_apart(one, reference) for one, reference in zip(found, expected, strict=True))
    return APART if is_known and wrong else None


def _sample(given: Sequence[Tensor], axes: Sequence[int | None], place: int) -> list[Tensor]:
    return [value if axis is None else value[place] for value, axis in zip(given, axes, strict=True)]


def _gradients(output: Tensor, given: Sequence[Tensor], upstream: Tensor) -> Sequence[Tensor]:
    moving = [value for value in given if value.requires_grad]
    return torch.autograd.grad(output, moving, upstream, materialize_grads=True)
