"""Where each entry of a moved tensor comes from, as indices that are affine in the result's: x[2*i + 1, 0, j]."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradcli.derivation.moves import AffineIndex
from gradcli.execution.forward.indices import unravel


def decode(positions: Tensor, shape: tuple[int, ...], source: tuple[int, ...]) -> tuple[AffineIndex, ...] | None:
    """Return how a flat map reads its source, an index per axis; None unless it is affine, an axis at a time.

    `positions` has the position in the flattened source of each entry of the flattened result.
    """
    if positions.numel() == 0 or 0 in source:
        return None
    grid = positions.reshape(shape)
    origin = unravel(int(grid[(0,) * len(shape)]), source)
    indices = [AffineIndex(base) for base in origin]
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        next_ = unravel(int(grid[tuple(int(axis == other) for other in range(len(shape)))]), source)
        for along, (start, end) in enumerate(zip(origin, next_, strict=True)):
            if start != end:
                if indices[along].axis is not None:
                    return None
                indices[along] = AffineIndex(start, end - start, axis)
    return tuple(indices) if _holds(indices, grid, source) else None


def _holds(indices: Sequence[AffineIndex], grid: Tensor, source: tuple[int, ...]) -> bool:
    """Tell whether the indices, each within its axis, give every entry of the map."""
    if not all(_is_within(affine, grid.shape, size) for affine, size in zip(indices, source, strict=True)):
        return False
    strides = [math.prod(source[place + 1 :]) for place in range(len(source))]
    total = torch.tensor(sum(affine.base * stride for affine, stride in zip(indices, strides, strict=True)))
    for axis in reversed(range(grid.ndim)):  # the first one last, as only then the sum is as large as the map
        steps = [affine.step * stride for affine, stride in zip(indices, strides, strict=True) if affine.axis == axis]
        along = torch.arange(grid.shape[axis]) * sum(steps)
        total = along.reshape(-1, *[1] * (grid.ndim - 1 - axis)) + total
    return torch.equal(total, grid)


def _is_within(affine: AffineIndex, shape: Sequence[int], size: int) -> bool:
    last = affine.base + (0 if affine.axis is None else (shape[affine.axis] - 1) * affine.step)
    return min(affine.base, last) >= 0 and max(affine.base, last) < size
