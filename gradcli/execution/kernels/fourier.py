"""Callables for Fourier transforms: the matrices of roots of unity, data cut or padded to a length, and their axes."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

# A transform of this length or less is a product with one matrix.
SHORT = 128


def imaginary(tensor: Tensor) -> Tensor:
    """Return the imaginary part, which is 0 for a real tensor."""
    return tensor.imag if tensor.is_complex() else torch.zeros_like(tensor)


def fitted(tensor: Tensor, length: int, dim: int) -> Tensor:
    """Return a tensor with one axis last, cut or padded with zeros at its end to a length."""
    moved = tensor.movedim(dim, -1)[..., :length]
    return torch.nn.functional.pad(moved, (0, length - moved.shape[-1]))


def roots(rows: int, columns: int, length: int, sign: int, norm: str | None) -> Tensor:
    """Return exp(sign 2πi jk/n) for j < rows, k < columns, scaled as `norm` says for the direction `sign`."""
    # The product is taken modulo n as an integer: the angle stays small, and keeps its digits.
    products = torch.outer(torch.arange(rows), torch.arange(columns)) % length
    angles = products.to(torch.float64) * (sign * 2 * math.pi / length)
    found = torch.polar(torch.ones_like(angles), angles)
    # Whole quarters of a turn are 1, i, -1 and -i, which the rounded angle just misses.
    quarters = torch.complex(found.real.round(), found.imag.round())
    return torch.where(products * 4 % length == 0, quarters, found) * _scale(length, sign, norm)


def doubled(length: int) -> Tensor:
    """Return how often each of the first n // 2 + 1 coefficients of a real signal of length n counts.

    The others are conjugates of these, so that every one counts twice but the first, and the last for even n.
    """
    weights = torch.full((length // 2 + 1,), 2.0, dtype=torch.float64)
    weights[0] = 1
    if length % 2 == 0:
        weights[-1] = 1
    return weights


def fourier_rows(length: int) -> int:
    """Return the divisor of a length that is nearest below its root; 1 for a short one, whose matrix is small."""
    if length <= SHORT:
        return 1
    return next(rows for rows in range(math.isqrt(length), 0, -1) if length % rows == 0)


def _scale(length: int, sign: int, norm: str | None) -> float:
    """Return PyTorch's factor: `backward` (the default) scales the inverse, `forward` the transform, `ortho` both."""
    if norm == "ortho":
        return 1 / math.sqrt(length)
    scaled = {"backward": 1, None: 1, "forward": -1}[norm]
    return 1 / length if sign == scaled else 1.0


def fourier_axes(rank: int, lengths: Any, dim: Any) -> tuple[int, ...]:
    """Return the axes of a transform of several: `dim`, or as many of the last as there are lengths, or all."""
    if dim is not None:
        return tuple(dim) if isinstance(dim, tuple | list) else (dim,)
    if lengths is None:
        return tuple(range(-rank, 0))
    return tuple(range(-len(lengths), 0))


def fourier_lengths(shape: Any, lengths: Any, dims: tuple[int, ...], last: int | None) -> tuple[int, ...]:
    """Return the length of a transform along each axis; -1 stands for the axis's own, as where none is given.

    `last` is the length of the last one if it is not given.
    """
    own = [shape[axis] for axis in dims]
    if last is not None and own:
        own[-1] = last
    given = own if lengths is None else [lengths] if isinstance(lengths, int) else lengths
    return tuple(size if known in {None, -1} else known for known, size in zip(given, own, strict=True))


def fourier_shifts(shape: Any, dim: Any, sign: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return by how much each axis is rolled so that the coefficient of frequency 0 comes to the middle, or back."""
    dims = tuple(range(len(shape))) if dim is None else tuple(dim) if isinstance(dim, tuple | list) else (dim,)
    sizes = [shape[axis] for axis in dims]
    return tuple(size // 2 if sign > 0 else (size + 1) // 2 for size in sizes), dims
