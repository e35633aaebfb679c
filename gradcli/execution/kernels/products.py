"""Callables that products of tensors need: which axes are summed, and how axes interleave."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def contracted(a: Tensor, b: Tensor, dims: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the axes of both operands that `tensordot` sums over, pair by pair."""
    if isinstance(dims, int):
        return tuple(range(a.ndim - dims, a.ndim)), tuple(range(dims))
    left, right = (tuple(axes) if isinstance(axes, tuple | list) else (axes,) for axes in dims)
    return tuple(axis % a.ndim for axis in left), tuple(axis % b.ndim for axis in right)


def axis_of_three(tensor: Tensor) -> int:
    """Return the first axis of length 3."""
    return tuple(tensor.shape).index(3)


def spread_left(tensor: Tensor, other: Tensor) -> Tensor:
    """Return a tensor with an axis of length 1 after each of its axes."""
    padded = _padded(tensor, other)
    return padded.reshape([length for size in padded.shape for length in (size, 1)])


def spread_right(other: Tensor, tensor: Tensor) -> Tensor:
    """Return a tensor with an axis of length 1 before each of its axes."""
    padded = _padded(tensor, other)
    return padded.reshape([length for size in padded.shape for length in (1, size)])


def _padded(tensor: Tensor, other: Tensor) -> Tensor:
    return tensor.reshape((1,) * max(other.ndim - tensor.ndim, 0) + tuple(tensor.shape))


def merged_pairs(tensor: Tensor) -> Tensor:
    """Return a tensor with each pair of its axes merged into one."""
    sizes = tuple(tensor.shape)
    return tensor.reshape([first * second for first, second in zip(sizes[::2], sizes[1::2], strict=True)])
