"""Windows, bins and margins: where the data that convolutions and pools read comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.errors import NotSupportedError
from gradcli.execution.kernels.general import windows


def spread(value: Any, count: int) -> tuple[int, ...]:
    """Return an option of a convolution or a pool as one number per axis."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    return values * count if len(values) == 1 else values


def margins(padding: Any, size: Sequence[int], dilation: Any) -> tuple[int, ...]:
    """Return a convolution's padding as `pad` takes it: the last axis first, both ends of each."""
    count = len(size)
    if padding == "valid":
        return (0, 0) * count
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(spread(dilation, count), size, strict=True)]
        return _reversed_pairs([(total // 2, total - total // 2) for total in totals])
    if isinstance(padding, str):
        raise NotSupportedError(f"the padding '{padding}' is neither 'same' nor 'valid'")
    return _reversed_pairs([(p, p) for p in spread(padding, count)])


def transposed_margins(size: Sequence[int], padding: Any, output_padding: Any, dilation: Any) -> tuple[int, ...]:
    """Return how far the spread input of a transposed convolution is padded (cropped, where negative)."""
    count = len(size)
    reach = [d * (k - 1) for d, k in zip(spread(dilation, count), size, strict=True)]
    pads, extra = spread(padding, count), spread(output_padding, count)
    return _reversed_pairs([(r - p, r - p + e) for r, p, e in zip(reach, pads, extra, strict=True)])


def _reversed_pairs(pairs: list[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(end for pair in reversed(pairs) for end in pair)


def patches(tensor: Tensor, size: Sequence[int], stride: Any, dilation: Any) -> Tensor:
    """Return the windows that a convolution reads, all offsets of a window in the last axis."""
    count = len(size)
    found = windows(tensor, tuple(size), spread(stride, count), spread(dilation, count))
    return found.flatten(-count)


def split_axis(tensor: Tensor, dim: int, groups: int) -> Tensor:
    """Return an axis split into groups, (groups, length of each)."""
    return tensor.unflatten(dim, (groups, -1))


def insert_zeros(tensor: Tensor, count: int, stride: Any) -> Tensor:
    """Return a tensor whose last `count` axes have stride - 1 zeros between any two entries."""
    steps = spread(stride, count)
    sizes = [(size - 1) * step + 1 for size, step in zip(tensor.shape[-count:], steps, strict=True)]
    result = tensor.new_zeros([*tensor.shape[:-count], *sizes])
    places: tuple[Any, ...] = (..., *[slice(None, None, step) for step in steps])
    result[places] = tensor
    return result


def channel_shape(count: int) -> tuple[int, ...]:
    """Return the shape in which a vector over channels broadcasts against `count` further axes."""
    return (-1, *[1] * count)


def pool_sizes(
    sizes: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    *,
    ceil_mode: bool,
) -> list[int]:
    """Return how many windows a pool has on each axis; with `ceil_mode` none may begin in the padding behind."""
    found = []
    for size, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True):
        room = size + 2 * p - d * (k - 1) - 1
        count = (math.ceil(room / s) if ceil_mode else room // s) + 1
        found.append(count - 1 if ceil_mode and (count - 1) * s >= size + p else count)
    return found


def pool_windows(
    tensor: Tensor,
    count: int,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    fill: float,
) -> Tensor:
    """Return the windows of a pool over the last `count` axes, all offsets of a window in the last axis."""
    kernel, step, pads = _pool_options(count, kernel_size, stride, padding)
    dilations, sizes = spread(dilation, count), tensor.shape[-count:]
    found = pool_sizes(sizes, kernel, step, pads, dilations, ceil_mode=ceil_mode)
    ends = [
        (p, (n - 1) * s + d * (k - 1) + 1 - size - p)
        for size, k, s, p, d, n in zip(sizes, kernel, step, pads, dilations, found, strict=True)
    ]
    padded = torch.nn.functional.pad(tensor, _reversed_pairs(ends), value=fill)
    return patches(padded, kernel, step, dilations)


def _pool_options(count: int, kernel_size: Any, stride: Any, padding: Any) -> tuple[tuple[int, ...], ...]:
    given = kernel_size if stride is None or stride in ((), []) else stride
    return spread(kernel_size, count), spread(given, count), spread(padding, count)


def pool_divisor(
    shape: Sequence[int],
    count: int,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    """Return what an average pool divides each window's sum by: its entries, counted as the options say."""
    kernel, step, pads = _pool_options(count, kernel_size, stride, padding)
    sizes = shape[-count:]
    found = pool_sizes(sizes, kernel, step, pads, (1,) * count, ceil_mode=ceil_mode)
    if divisor_override is not None:
        return torch.full(found, float(divisor_override))
    total = torch.ones(())
    for size, k, s, p, n in zip(sizes, kernel, step, pads, found, strict=True):
        first = torch.arange(n) * s - p
        last = (first + k).clamp_max(size + p)
        inside = (last.clamp_max(size) - first.clamp_min(0)) if not count_include_pad else last - first
        total = total.unsqueeze(-1) * inside
    return total


def adaptive_bins(size: int, wanted: int | None) -> list[tuple[int, int]]:
    """Return the bins of an adaptive pool along one axis: floor(i·n/m) up to ceil((i+1)·n/m)."""
    count = size if wanted is None else wanted
    return [(place * size // count, -(-(place + 1) * size // count)) for place in range(count)]


def adaptive_weights(sizes: Sequence[int], output_size: Any) -> tuple[Tensor, ...]:
    """Return the averaging matrix (out, in) of an adaptive pool for each axis."""
    return tuple(_averaging(size, wanted) for size, wanted in zip(sizes, spread(output_size, len(sizes)), strict=True))


def _averaging(size: int, wanted: int | None) -> Tensor:
    bins = adaptive_bins(size, wanted)
    matrix = torch.zeros(len(bins), size)
    for row, (first, last) in enumerate(bins):
        matrix[row, first:last] = 1 / (last - first)
    return matrix


def adaptive_windows(tensor: Tensor, count: int, output_size: Any) -> Tensor:
    """Return the bins of an adaptive pool, the entries of a bin in the last axis; short ones are filled with -inf."""
    first = tensor.ndim - count
    for axis, wanted in enumerate(spread(output_size, count)):
        tensor = _binned(tensor, first + 2 * axis, wanted)
    order = [*range(first), *range(first, tensor.ndim, 2), *range(first + 1, tensor.ndim, 2)]
    return tensor.permute(order).flatten(-count)


def _binned(tensor: Tensor, axis: int, wanted: int | None) -> Tensor:
    """Return a tensor with one axis as two: the bins, and the entries of each."""
    bins = adaptive_bins(tensor.shape[axis], wanted)
    longest = max(last - first for first, last in bins)
    outside = tensor.shape[axis]
    index = [place for first, last in bins for place in [*range(first, last), *[outside] * (longest - last + first)]]
    filled = torch.cat([tensor, torch.full_like(tensor.narrow(axis, 0, 1), -math.inf)], axis)
    return filled.index_select(axis, torch.tensor(index)).unflatten(axis, (len(bins), longest))


def pool_indices(name: str, tensor: Tensor, *arguments: Any) -> Tensor:
    """Return the indices that PyTorch's max pool of a name gives as its second result."""
    return getattr(torch.nn.functional, f"{name}_with_indices")(tensor, *arguments)[1]


def landings(tensor: Tensor, output_size: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Tensor:
    """Return what `fold` adds up: for each position of the image and each offset the entry that lands there.

    (N, C·offsets, windows) becomes (N, C, height, width, offsets); where nothing lands there is a zero.
    """
    size, kernel, step = spread(output_size, 2), spread(kernel_size, 2), spread(stride, 2)
    pads, gaps = spread(padding, 2), spread(dilation, 2)
    counts = pool_sizes(size, kernel, step, pads, gaps, ceil_mode=False)
    columns = tensor.unflatten(1, (-1, math.prod(kernel))).unflatten(-1, counts)
    images = []
    for offset in range(math.prod(kernel)):
        image = columns.new_zeros([*columns.shape[:2], *[n + 2 * p for n, p in zip(size, pads, strict=True)]])
        first = (offset // kernel[1] * gaps[0], offset % kernel[1] * gaps[1])
        places = [slice(f, f + (n - 1) * s + 1, s) for f, n, s in zip(first, counts, step, strict=True)]
        image[(..., *places)] = columns[:, :, offset]
        images.append(image[..., pads[0] : pads[0] + size[0], pads[1] : pads[1] + size[1]])
    return torch.stack(images, -1)
