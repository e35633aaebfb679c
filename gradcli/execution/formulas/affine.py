"""Where each entry of a moved tensor comes from, as indices that are affine in the result's: x[2*i + 1, 0, j]."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradcli.derivation.formulas import AffineIndex
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
    total = torch.zeros(grid.shape, dtype=torch.int64)
    for affine, size in zip(indices, source, strict=True):
        index = torch.tensor(affine.base)
        if affine.axis is not None:
            along = torch.arange(grid.shape[affine.axis]) * affine.step + affine.base
            index = along.reshape([-1 if axis == affine.axis else 1 for axis in range(grid.ndim)])
        if int(index.min()) < 0 or int(index.max()) >= size:
            return False
        total = total * size + index
    return bool((total == grid).all())
