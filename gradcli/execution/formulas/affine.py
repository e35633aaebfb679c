"""Where each entry of a moved tensor comes from, as indices that are affine in the result's: x[2*i + 1, 0, j]."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.forward.indices import unravel


@dataclass(frozen=True, slots=True)
class Place:
    """The index along one axis of the source: base + step * index along `axis` of the result (none if axis is None)."""

    base: int
    step: int = 0
    axis: int | None = None


def decode(places: Tensor, shape: tuple[int, ...], source: tuple[int, ...]) -> tuple[Place, ...] | None:
    """Return how a flat map reads its source, an index per axis; None unless it is affine, an axis at a time.

    `places` has the position in the flattened source of each entry of the flattened result.
    """
    if places.numel() == 0 or 0 in source:
        return None
    grid = places.reshape(shape)
    origin = unravel(int(grid[(0,) * len(shape)]), source)
    found = [Place(base) for base in origin]
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        next_ = unravel(int(grid[tuple(int(axis == other) for other in range(len(shape)))]), source)
        for position, (start, end) in enumerate(zip(origin, next_, strict=True)):
            if start != end:
                if found[position].axis is not None:
                    return None
                found[position] = Place(start, end - start, axis)
    return tuple(found) if _holds(found, grid, source) else None


def _holds(found: list[Place], grid: Tensor, source: tuple[int, ...]) -> bool:
    """Tell whether the indices, each within its axis, give every entry of the map."""
    total = torch.zeros(grid.shape, dtype=torch.int64)
    for place, size in zip(found, source, strict=True):
        index = torch.tensor(place.base)
        if place.axis is not None:
            along = torch.arange(grid.shape[place.axis]) * place.step + place.base
            index = along.reshape([-1 if axis == place.axis else 1 for axis in range(grid.ndim)])
        if int(index.min()) < 0 or int(index.max()) >= size:
            return False
        total = total * size + index
    return bool((total == grid).all())
