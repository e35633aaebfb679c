"""Callables of the op table that arrange the entries of tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradcli.errors import NotSupportedError


def reverse_axes(tensor: Tensor) -> Tensor:
    """Return `tensor.T`."""
    return tensor.T


def adjoint_matrix(tensor: Tensor) -> Tensor:
    """Return `tensor.H`."""
    return tensor.H


def adjoint_matrices(tensor: Tensor) -> Tensor:
    """Return `tensor.mH`."""
    return tensor.mH


def as_strided(tensor: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """Return `torch.as_strided` of a tensor whose entries stand in memory as they are read."""
    _check_memory(tensor, "as_strided")
    return torch.as_strided(tensor, size, stride, storage_offset)


def as_strided_copy(tensor: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """Return `torch.as_strided_copy` of a tensor whose entries stand in memory as they are read."""
    _check_memory(tensor, "as_strided_copy")
    return torch.as_strided_copy(tensor, size, stride, storage_offset)


def as_strided_scatter(
    tensor: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:
    """Return `torch.as_strided_scatter` into a tensor whose entries stand in memory as they are read."""
    _check_memory(tensor, "as_strided_scatter")
    return torch.as_strided_scatter(tensor, src, size, stride, storage_offset)


def _check_memory(tensor: Tensor, name: str) -> None:
    """Refuse a view: which entries a stride reaches would depend on the memory behind it."""
    if not tensor.is_contiguous() or tensor.storage_offset() != 0:
        msg = f"{name} is supported for contiguous tensors only: the result depends on the memory behind a view"
        raise NotSupportedError(msg, hint="call `.contiguous()` or `.clone()` first")


def broadcast_axes(tensor: Tensor, size: Any) -> tuple[int, ...]:
    """Return the axes along which a tensor of a size would have to be broadcast to a tensor's shape."""
    wanted = size[0] if len(size) == 1 and isinstance(size[0], tuple | list) else size
    padded = (0,) * (tensor.ndim - len(wanted)) + tuple(wanted)
    return tuple(axis for axis, length in enumerate(padded) if length != tensor.shape[axis])


def axes(tensor: Tensor, dim: Any) -> tuple[int, ...]:
    """Return the axes that a `dim` argument means, None meaning all."""
    if dim is None:
        return tuple(range(tensor.ndim))
    return tuple(dim) if isinstance(dim, tuple | list) else (dim,)


def count(items: tuple[Any, ...]) -> int:
    """Return how many items there are."""
    return len(items)


def alternating(first: Tensor, odd: Tensor, even: Tensor) -> Tensor:
    """Return a sequence of its first entry, those at odd places, and those at even places from the third on."""
    whole = odd.new_empty((*odd.shape[:-1], 1 + odd.shape[-1] + even.shape[-1]))
    whole[..., :1], whole[..., 1::2], whole[..., 2::2] = first, odd, even
    return whole
