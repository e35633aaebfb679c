"""Movement that a view describes: the same memory under axes in a different order, merged or split.

PyTorch says so itself, by the strides of the view that it returns; no entry has to be traced.
"""

from __future__ import annotations

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


def _is_same_memory(result: Tensor, source: Tensor) -> bool:
    """Return whether two tensors begin at the same entry of the same memory, and have as many entries."""
    same = (result.dtype, result.numel(), result.device) == (source.dtype, source.numel(), source.device)
    lazy = any(tensor.is_conj() or tensor.is_neg() for tensor in (result, source))
    return same and not lazy and result.numel() > 0 and result.data_ptr() == source.data_ptr()


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
