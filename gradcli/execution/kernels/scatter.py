"""Where ops write: flat positions in the tensor written to, and entries grouped by them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def numbered(tensor: Tensor) -> Tensor:
    """Return a tensor's shape filled with its flat positions."""
    return torch.arange(tensor.numel()).reshape(tensor.shape)


def positions(tensor: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the flat positions that `scatter` writes to."""
    return numbered(tensor).gather(dim, index).reshape(-1)


def within(tensor: Tensor, index: Tensor) -> Tensor:
    """Return the corner of a tensor that has the index's shape."""
    return tensor[tuple(slice(length) for length in index.shape)] if tensor.ndim else tensor


def places(tensor: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the flat positions that `index_add` writes to."""
    return numbered(tensor).index_select(dim, index.reshape(-1)).reshape(-1)


def indexed(tensor: Tensor, indices: Sequence[Tensor]) -> Tensor:
    """Return the flat positions that `index_put` writes to."""
    return numbered(tensor)[tuple(indices)]


def wrapped(tensor: Tensor, index: Tensor) -> Tensor:
    """Return the flat positions that `put` writes to."""
    return index.reshape(-1) % max(tensor.numel(), 1)


def counted(targets: Tensor, size: Sequence[int]) -> Tensor:
    """Return how many entries are written to each position."""
    return torch.bincount(targets, minlength=size[0])


def summed_into(tensor: Tensor, targets: Tensor, size: Sequence[int]) -> Tensor:
    """Return zeros with a vector's entries added up at their positions."""
    return tensor.new_zeros(size).index_add(0, targets, tensor)


def grouped(tensor: Tensor, targets: Tensor, size: Sequence[int], fill: float) -> Tensor:
    """Return a row for each position with the entries written to it, filled up to the longest row."""
    order = targets.argsort(stable=True)
    count = counted(targets, size)
    start = count.cumsum(0) - count
    column = torch.arange(targets.numel()) - start[targets[order]]
    rows = tensor.new_full((size[0], max(int(count.max()), 1) if size[0] else 1), fill)
    return rows.index_put((targets[order], column), tensor[order])


# What `segment_reduce` makes of a segment without entries; of a mean that is not a number.
EMPTY = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": -math.inf, "min": math.inf}


def segments(data: Tensor, lengths: Tensor, axis: int) -> Tensor:
    """Return the flat position, in the result, of the segment of each entry."""
    rows = [torch.repeat_interleave(row) for row in lengths.reshape(-1, lengths.shape[-1])]
    index = torch.cat(rows).reshape(*data.shape[: axis + 1], *[1] * (data.ndim - axis - 1))
    return numbered(_of_segments(data, lengths, axis)).gather(axis, index.expand(data.shape)).reshape(-1)


def segment_start(data: Tensor, lengths: Tensor, axis: int, reduce: str, initial: float | None) -> Tensor:
    """Return what each segment is before its entries."""
    return _of_segments(data, lengths, axis).fill_(EMPTY[reduce] if initial is None else initial)


def _of_segments(data: Tensor, lengths: Tensor, axis: int) -> Tensor:
    """Return zeros with an axis of segments in the place of one of entries."""
    return data.new_zeros([*data.shape[:axis], lengths.shape[-1], *data.shape[axis + 1 :]])
