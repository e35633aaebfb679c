"""Movement that a view describes: the same memory under axes in a different order, merged or split, or a part of it.

PyTorch says so itself, by the strides of the view that it returns; no entry has to be traced.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradcli.execution.reference.layout import AxisView, Layout


def rearranged(result: object, source: Tensor) -> Layout | None:
    """Return both tensors as one vector, in the order of the memory that they share; None unless they share it all."""
    if not isinstance(result, Tensor) or not _is_same_memory(result, source):
        return None
    axes, other_axes = _order(result), _order(source)
    if axes is None or other_axes is None:
        return None
    whole = (source.numel(),)
    views = {"input": AxisView(tuple(source.shape), other_axes, whole)}
    return Layout(views, {"input": "j"}, AxisView(tuple(result.shape), axes, whole), "j", "input")


def positions_of(results: Sequence[object], source: Tensor) -> list[Tensor] | None:
    """Return where in the flattened source each entry of views of it is; None unless all are views in its memory."""
    views = [result for result in results if isinstance(result, Tensor) and _is_within(result, source)]
    if len(views) < len(results):
        return None
    numbers = torch.arange(source.numel()).reshape(source.shape)
    if not source.is_contiguous():
        numbers = torch.empty_strided(source.shape, source.stride(), dtype=torch.int64).copy_(numbers)
    start = source.storage_offset()
    return [numbers.as_strided(v.shape, v.stride(), v.storage_offset() - start).reshape(-1) for v in views]


def _is_within(result: Tensor, source: Tensor) -> bool:
    """Return whether all entries of a tensor are in the memory of another one, which it has for itself."""
    if not _are_alike(result, source) or _order(source) is None:
        return False
    if result.untyped_storage().data_ptr() != source.untyped_storage().data_ptr():
        return False
    first = result.storage_offset() - source.storage_offset()
    last = first + sum((size - 1) * stride for size, stride in zip(result.shape, result.stride(), strict=True))
    return first >= 0 and last < source.numel()


def _is_same_memory(result: Tensor, source: Tensor) -> bool:
    """Return whether two tensors begin at the same entry of the same memory, and have as many entries."""
    same = _are_alike(result, source) and result.numel() == source.numel()
    return same and result.data_ptr() == source.data_ptr()


def _are_alike(result: Tensor, source: Tensor) -> bool:
    """Return whether the memory of two tensors would mean the same."""
    lazy = any(tensor.is_conj() or tensor.is_neg() for tensor in (result, source))
    return (result.dtype, result.device) == (source.dtype, source.device) and not lazy and result.numel() > 0


def _order(tensor: Tensor) -> tuple[int, ...] | None:
    """Return a tensor's axes in the order in which its memory runs; None if there are gaps or overlaps."""
    strides: tuple[int, ...] = tensor.stride()
    axes = sorted(range(tensor.ndim), key=strides.__getitem__, reverse=True)
    expected = 1
    for axis in reversed(axes):
        if tensor.shape[axis] != 1:
            if strides[axis] != expected:
                return None
            expected *= tensor.shape[axis]
    return tuple(axes)
