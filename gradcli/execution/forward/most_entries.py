"""The most entries of a tensor that a call makes, of functions of which more is known than what they are given."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gradcli.execution.kernels import fourier, general, linear_algebra, ranks, resampling, windows


def most_entries(function: Callable[..., Any], positional: Sequence[Any], keywords: Mapping[str, Any]) -> int | None:
    """Return a bound on the entries of each tensor that a call makes; None where none is known."""
    known = _MOST.get(function)
    if known is None:
        return None
    try:
        return known(*positional, **keywords)
    except (TypeError, ValueError, AttributeError, IndexError, ArithmeticError):
        return None  # the call itself says what is wrong with its arguments


def _no_more(tensor: Tensor, *_: Any, **__: Any) -> int:
    return tensor.numel()


def _pooled(tensor: Tensor, *_: Any, **__: Any) -> int:
    """Return a bound on windows: padding is no more than half of one, and so no axis becomes twice as long."""
    return tensor.numel() << tensor.ndim


def _resized(tensor: Tensor, size: Any = None, scale_factor: Any = None, *_: Any, **__: Any) -> int:
    """Return a bound on what is resized axis by axis."""
    return math.prod(tensor.shape[:2]) * math.prod(_lengths(tensor.shape[2:], size, scale_factor))


def _picked(tensor: Tensor, count: int, size: Any, scale_factor: Any, *_: Any) -> int:
    return math.prod(tensor.shape[:-count]) * math.prod(_lengths(tensor.shape[-count:], size, scale_factor))


def _weights(sizes: Sequence[int], size: Any, scale_factor: Any, *_: Any) -> int:
    """Return a bound on the matrices (new, old), and on the few weights of each entry that they are made of."""
    return 16 * max(_lengths(sizes, size, scale_factor)) ** 2


def _lengths(sizes: Sequence[int], size: Any, scale_factor: Any) -> list[int]:
    """Return the length of each axis, the old or the new one."""
    new = resampling.resized(sizes, size, scale_factor, recompute=True)
    return [max(old, length, 1) for old, (length, _) in zip(sizes, new, strict=True)]


def _roots(rows: int, columns: int, *_: Any) -> int:
    return rows * columns


def _fitted(tensor: Tensor, length: int, dim: int) -> int:
    return tensor.numel() // max(tensor.shape[dim], 1) * max(length, tensor.shape[dim])


def _windows(shape: Sequence[int], count: int, kernel_size: Any, stride: Any, padding: Any, *_: Any) -> int:
    """Return a bound on the windows of a pool: one begins at each place, padding among them."""
    del kernel_size, stride
    pads = windows.spread(padding, count)
    return math.prod(size + 2 * pad + 1 for size, pad in zip(shape[-count:], pads, strict=True))


def _squares(matrix: Tensor, *_: Any) -> int:
    """Return a bound on a factorisation: square matrices of either length."""
    return math.prod(matrix.shape[:-2]) * (sum(matrix.shape[-2:]) + 1) ** 2


_MOST: Mapping[Callable[..., Any], Callable[..., int]] = {
    **dict.fromkeys((general.reshape, torch.narrow, torch.sum, torch.amax, torch.amin, torch.roll), _no_more),
    **dict.fromkeys((Tensor.detach, Tensor.contiguous, Tensor.permute, Tensor.flip), _no_more),
    **dict.fromkeys(
        (functional.lp_pool1d, functional.lp_pool2d, functional.avg_pool1d, functional.avg_pool2d), _pooled
    ),
    **dict.fromkeys((functional.interpolate, functional.upsample_bilinear, functional.upsample_nearest), _resized),
    **dict.fromkeys((linear_algebra.singular_triples, ranks.rank, ranks.rank_may_change), _squares),
    fourier.fitted: _fitted,
    fourier.roots: _roots,
    resampling.nearest: _picked,
    resampling.resampling_weights: _weights,
    windows.pool_divisor: _windows,
}
