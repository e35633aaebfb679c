"""Where ops write: flat positions in the tensor written to, and entries grouped by them."""

from __future__ import annotations

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
