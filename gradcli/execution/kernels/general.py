"""Callables of the op table that PyTorch has no function of the same shape for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Of powers whose sums and roots floats hold with all their digits.
SMALLEST, LARGEST = 1e-200, 1e200


def reshape(tensor: Tensor, *shape: Any) -> Tensor:
    """Return `tensor.reshape(2, 3)` or `torch.reshape(tensor, (2, 3))`."""
    return tensor.reshape(*shape)


def squeeze(tensor: Tensor, dim: Any = ()) -> Tensor:
    """Return a tensor without its axes of length 1, or without the ones in `dim`."""
    return tensor.squeeze() if dim == () else tensor.squeeze(dim)


def matrix_transpose(tensor: Tensor) -> Tensor:
    """Return `tensor.mT`."""
    return tensor.mT


def eye(n: int, m: int | None = None) -> Tensor:
    """Return the identity matrix."""
    return torch.eye(n, n if m is None else m)


def arange(start: float, end: float | None = None, step: float = 1) -> Tensor:
    """Return `torch.arange` with its one, two or three arguments."""
    return torch.arange(0, start, step) if end is None else torch.arange(start, end, step)


def last_axes(count: int) -> tuple[int, ...]:
    """Return the last axes as negative numbers."""
    return tuple(range(-count, 0))


def rows(tensor: Tensor, dim: Any) -> Tensor:
    """Return a tensor with the axes `dim` (None: all) last and merged into one."""
    dims = range(tensor.ndim) if dim is None or dim == () else dim if isinstance(dim, tuple | list) else (dim,)
    axes = [axis % tensor.ndim for axis in dims] if tensor.ndim else []
    kept = [axis for axis in range(tensor.ndim) if axis not in axes]
    return tensor.permute(kept + axes).reshape([*[tensor.shape[axis] for axis in kept], -1])


def at(tensor: Tensor, index: Tensor) -> Tensor:
    """Return the entries at an index along the last axis, one for each row."""
    return tensor.gather(-1, index.unsqueeze(-1)).squeeze(-1)


def out_of_range(tensor: Tensor, power: float) -> bool:
    """Return whether a power of a positive entry is too small or too large for a float."""
    powers = tensor**power
    return bool(((tensor > 0) & ((powers < SMALLEST) | (powers > LARGEST))).any())


def tied(tensor: Tensor, dim: Any, sign: int) -> Tensor:
    """Return, for each row along `dim`, whether its largest entry (smallest, for sign -1) stands there twice."""
    if isinstance(dim, Tensor):
        return tensor == dim
    entries = rows(tensor, dim) * sign
    return (entries == entries.amax(-1, keepdim=True)).sum(-1) > 1


def windows(tensor: Tensor, size: tuple[int, ...], stride: Any, dilation: Any) -> Tensor:
    """Return the windows that a convolution reads: (…, positions…, offsets…) for the last `len(size)` axes."""
    count = len(size)
    strides = stride if isinstance(stride, tuple | list) else (stride,) * count
    dilations = dilation if isinstance(dilation, tuple | list) else (dilation,) * count
    first = tensor.ndim - count
    for axis in range(count):
        span = dilations[axis] * (size[axis] - 1) + 1
        tensor = tensor.unfold(first + axis, span, strides[axis])
        tensor = tensor[..., :: dilations[axis]]
    return tensor


def smooth_l1(difference: Tensor, beta: float) -> Tensor:
    """Return the unreduced smooth L1 loss of a difference."""
    return torch.nn.functional.smooth_l1_loss(difference, torch.zeros_like(difference), reduction="none", beta=beta)


def least_indexed(tensor: Tensor, index: Any) -> int:
    """Return the least length of the axes that tensors of integers index, or of all where none does."""
    items = [*index] if isinstance(index, list | tuple) else [index]
    known = sum(item is not None and item is not Ellipsis for item in items)
    lengths, axis = [], 0
    for item in items:
        if isinstance(item, Tensor):
            lengths.append(tensor.shape[axis])
        axis += tensor.ndim - known if item is Ellipsis else item is not None
    return min(lengths or tensor.shape)
