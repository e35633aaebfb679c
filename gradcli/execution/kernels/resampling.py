"""Resampling: the matrix that each mode of `interpolate` multiplies an axis with, from what the mode means."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.kernels.windows import adaptive_weights, spread

# The parameter of Keys' cubic kernel: PyTorch's own, and the one it takes with antialias=True.
SHARPNESS, SMOOTH_SHARPNESS = -0.75, -0.5


def resized(sizes: Sequence[int], size: Any, scale_factor: Any, recompute: Any) -> list[tuple[int, Fraction]]:
    """Return the new length of each axis, and how many old entries one new entry spans."""
    if size is not None:
        return [(n, Fraction(old, n)) for old, n in zip(sizes, spread(size, len(sizes)), strict=True)]
    factors = spread(scale_factor, len(sizes))
    found = [math.floor(old * factor) for old, factor in zip(sizes, factors, strict=True)]
    if recompute:
        return [(n, Fraction(old, n)) for old, n in zip(sizes, found, strict=True)]
    # 1.1 means eleven tenths, not the double beside it.
    return [(n, 1 / Fraction(repr(float(factor)))) for n, factor in zip(found, factors, strict=True)]


def resampling_weights(
    sizes: Sequence[int],
    size: Any,
    scale_factor: Any,
    mode: str,
    align_corners: bool | None,
    recompute: bool | None,
    antialias: bool,
) -> tuple[Tensor, ...]:
    """Return a matrix (new, old) for each axis."""
    plan = resized(sizes, size, scale_factor, recompute)
    if mode == "area":
        return adaptive_weights(sizes, [new for new, _ in plan])
    if align_corners:
        plan = [(new, Fraction(old - 1, max(new - 1, 1))) for old, (new, _) in zip(sizes, plan, strict=True)]
    matrix = _smoothed if antialias else _interpolated
    cubic = mode == "bicubic"
    rows = zip(sizes, plan, strict=True)
    return tuple(matrix(old, new, float(scale), cubic=cubic, corners=bool(align_corners)) for old, (new, scale) in rows)


def _interpolated(old: int, new: int, scale: float, *, cubic: bool, corners: bool) -> Tensor:
    """Return the matrix that reads an axis between its entries; beyond its ends the last entry is repeated."""
    matrix = torch.zeros(new, old)
    for row in range(new):
        place = row * scale if corners else (row + 0.5) * scale - 0.5
        place = place if cubic else max(place, 0.0)
        first = math.floor(place)
        for neighbour in range(first - 1, first + 3) if cubic else (first, first + 1):
            distance = abs(place - neighbour)
            weight = keys(distance, SHARPNESS) if cubic else triangle(distance)
            matrix[row, min(max(neighbour, 0), old - 1)] += weight
    return matrix


def _smoothed(old: int, new: int, scale: float, *, cubic: bool, corners: bool) -> Tensor:
    """Return the matrix of a filter that is as wide as a new entry, its weights made to add up to 1."""
    del corners
    width = max(scale, 1.0)
    reach = (2.0 if cubic else 1.0) * width
    weigh: Callable[[float], float] = (lambda x: keys(x, SMOOTH_SHARPNESS)) if cubic else triangle
    matrix = torch.zeros(new, old)
    for row in range(new):
        centre = scale * (row + 0.5)
        first, last = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), old)
        for column in range(first, last):
            matrix[row, column] = weigh(abs(column - centre + 0.5) / width)
    return matrix / matrix.sum(-1, keepdim=True)


def triangle(distance: float) -> float:
    """Return the weight of an entry in linear interpolation."""
    return max(1.0 - distance, 0.0)


def keys(x: float, a: float) -> float:
    """Return the weight of an entry in cubic convolution (Keys, 1981)."""
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((x - 5) * x + 8) * x * a - 4 * a if x < 2 else 0.0  # noqa: PLR2004 (the kernel's own reach)


def nearest(tensor: Tensor, count: int, size: Any, scale_factor: Any, recompute: Any, centred: bool) -> Tensor:
    """Return the entry that each new entry's left end falls in; its centre, if `centred`."""
    plan = resized(tensor.shape[-count:], size, scale_factor, recompute)
    for axis, (new, scale) in enumerate(plan, tensor.ndim - count):
        halves, last = range(int(centred), 2 * new, 2), tensor.shape[axis] - 1
        tensor = tensor.index_select(axis, _times(halves, scale / 2).clamp(max=last))
    return tensor


def _times(counts: range, factor: Fraction) -> Tensor:
    """Return how many whole times counts of a factor are, without rounding."""
    numerator, denominator = factor.as_integer_ratio()
    if counts.stop * numerator < 1 << 63:
        return torch.arange(counts.start, counts.stop, counts.step) * numerator // denominator
    return torch.tensor([count * numerator // denominator for count in counts])


def pixels(tensor: Tensor, *places: Tensor) -> Tensor:
    """Return (N, C, …) read at integer places along its last axes, one tensor of places (N, …) each; outside is 0."""
    sizes = tensor.shape[-len(places) :]
    kept = [p.to(torch.int64).clamp(0, n - 1) for p, n in zip(places, sizes, strict=True)]
    flat, inside = kept[0], kept[0] == places[0]
    for place, given, size in zip(kept[1:], places[1:], sizes[1:], strict=True):
        flat, inside = flat * size + place, inside & (place == given)
    index = flat.flatten(1).unsqueeze(1).expand(-1, tensor.shape[1], -1)
    found = tensor.flatten(2).gather(2, index).unflatten(2, flat.shape[1:])
    return torch.where(inside.unsqueeze(1), found, 0.0)


def whole(tensor: Tensor) -> Tensor:
    """Return the largest integers that are not larger, as integers."""
    return tensor.floor().to(torch.int64)


def rounded(tensor: Tensor) -> Tensor:
    """Return the nearest integers (the even one of two), as integers."""
    return tensor.round().to(torch.int64)


def base_grid(sizes: Sequence[int], align_corners: bool | None) -> Tensor:
    """Return the places (x, y, …, 1) of a grid's points, from -1 to 1 between the centres or the edges at its ends."""
    axes = []
    for size in sizes:
        ends = torch.linspace(-1, 1, size) if size > 1 else torch.zeros(1)
        axes.append(ends if align_corners else ends * (size - 1) / size)
    points = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([*points[::-1], torch.ones(tuple(sizes))], -1)


def place(coordinate: Tensor, size: int, padding_mode: str, align_corners: bool) -> Tensor:
    """Return where a coordinate of a grid lies, in entries, after its padding mode."""
    x = (coordinate + 1) * (size - 1) / 2 if align_corners else ((coordinate + 1) * size - 1) / 2
    x = reflected(x, size, align_corners) if padding_mode == "reflection" else x
    return x if padding_mode == "zeros" else x.clamp(0, size - 1)


def reflected(tensor: Tensor, size: int, align_corners: bool) -> Tensor:
    """Return a place that is outside where mirrors at both ends show it."""
    low, span = (0.0, size - 1) if align_corners else (-0.5, size)
    if span == 0:
        return torch.zeros_like(tensor)
    distance = (tensor - low).abs()
    flips = (distance / span).floor()
    rest = distance - span * flips
    return low + torch.where(flips % 2 == 0, rest, span - rest)


def tap(tensor: Tensor, size: int, padding_mode: str, align_corners: bool) -> Tensor:
    """Return the entry that a padding mode reads for an integer place outside."""
    if padding_mode == "zeros":
        return tensor
    inside = reflected(tensor.to(torch.float64), size, align_corners) if padding_mode == "reflection" else tensor
    return inside.clamp(0, size - 1).round().to(torch.int64)


def cubic_weight(distance: Tensor) -> Tensor:
    """Return the weight of an entry in cubic convolution."""
    inner = (1.25 * distance - 2.25) * distance**2 + 1
    outer = SHARPNESS * (((distance - 5) * distance + 8) * distance - 4)
    return torch.where(distance <= 1, inner, outer)


def on_pixels(shape: Sequence[int], grid: Tensor, align_corners: bool | None) -> Tensor:
    """Return where a grid reads exactly between two neighbourhoods, on a pixel's row or column."""
    sizes = list(shape)[:1:-1]
    places = [place(grid[..., axis], size, "zeros", bool(align_corners)) for axis, size in enumerate(sizes)]
    found = [(p == p.floor()) & (p >= -1) & (p <= size) for p, size in zip(places, sizes, strict=True)]
    return torch.stack(found).any(0)
