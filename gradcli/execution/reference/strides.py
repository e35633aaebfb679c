"""Movement that a view describes: the same memory under axes in a different order, merged or split, or a part of it.

PyTorch says so itself, by the strides of the view that it returns; no entry has to be traced.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Part:
    """A view of a part of a tensor: both shapes and strides, and how far apart they begin."""

    whole: tuple[int, ...]
    whole_strides: tuple[int, ...]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    start: int

    @property
    def is_whole(self) -> bool:
        """Return whether these are all entries, in their order."""
        orders = ((self.whole, self.whole_strides), (self.shape, self.strides))
        return all(map(_is_contiguous, *zip(*orders, strict=True))) and math.prod(self.whole) == math.prod(self.shape)

    def positions(self) -> Tensor:
        """Return where in the flattened whole each entry is, in a time that only the part's entries take."""
        places = torch.tensor(self.start)
        for size, stride in zip(self.shape, self.strides, strict=True):
            places = places.unsqueeze(-1) + torch.arange(size) * stride
        places = places.reshape(-1)
        return places if _is_contiguous(self.whole, self.whole_strides) else self._flattened(places)

    def _flattened(self, places: Tensor) -> Tensor:
        """Return where in the flattened whole places of its memory are."""
        found = torch.zeros_like(places)
        for axis, (size, stride) in enumerate(zip(self.whole, self.whole_strides, strict=True)):
            if size > 1:
                found += places // stride % size * math.prod(self.whole[axis + 1 :])
        return found


def parts_of(results: Sequence[object], source: Tensor) -> list[Part] | None:
    """Return what parts of a source results are; None unless all are views in its memory."""
    views = [result for result in results if isinstance(result, Tensor) and _is_within(result, source)]
    if len(views) < len(results):
        return None
    whole, first = (tuple(source.shape), source.stride()), int(source.storage_offset())
    return [Part(*whole, tuple(view.shape), view.stride(), int(view.storage_offset()) - first) for view in views]


def _is_contiguous(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    expected = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    return all(size == 1 or one == other for size, one, other in zip(shape, strides, expected, strict=True))


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
