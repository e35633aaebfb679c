"""Transposed convolutions as what they are: each entry spreads its products with the weight, which are added up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Arguments = Mapping[str, Any]
# A sample's axes beside those of space: which sample, and which channel.
OTHERS = 2
# The indices along the axes of space: of entries, of a kernel's taps, and of results.
ENTRIES, TAPS, PLACES = "uvw", "ijk", "xyz"


def transposed(given: Arguments) -> str | None:
    """Return a transposed convolution of samples: the product of an entry and a weight is added to one place."""
    value, weight = given["input"].tensor, given["weight"].tensor
    axes, groups = value.ndim - OTHERS, given["groups"]
    if value.ndim != weight.ndim:
        return None
    steps = [_steps(given, axis, value.shape[axis - axes], weight.shape[axis - axes], axes) for axis in range(axes)]
    u, i, x = ENTRIES[:axes], TAPS[:axes], PLACES[:axes]
    spread = ",".join(f"{u[axis]}{i[axis]}{x[axis]}" for axis in range(axes))
    factors = f"{', '.join(steps)}"
    if groups == 1:
        whole = f'einsum("nc{u},co{i},{spread}->no{x}", input, weight, {factors})'
    else:
        inside = (value.shape[0], groups, value.shape[1] // groups, *value.shape[OTHERS:])
        kernels = (groups, weight.shape[0] // groups, *weight.shape[1:])
        both = f"reshape(input, {inside}), reshape(weight, {kernels})"
        whole = f'einsum("ngc{u},gco{i},{spread}->ngo{x}", {both}, {factors})'
        whole = f"flatten({whole}, 1, 2)"
    return whole if given["bias"] is None else f"{whole} + bias[:{', None' * axes}]"


def _steps(given: Arguments, axis: int, length: int, kernel: int, axes: int) -> str:
    """Return which place each entry and tap along an axis is added to."""
    stride, padding, more, dilation = (
        one if isinstance(one, int) else one[axis if len(one) == axes else 0]
        for one in map(given.__getitem__, ("stride", "padding", "output_padding", "dilation"))
    )
    count = (length - 1) * stride + dilation * (kernel - 1) + 1 + more
    places = [[stride * entry + dilation * tap for tap in range(kernel)] for entry in range(length)]
    one_hot = f"one_hot(tensor({places}), {count})"
    return f"{one_hot}[:, :, {padding}:{count - padding}]*1.0" if padding else f"{one_hot}*1.0"


TRANSPOSED = {f"conv_transpose{axes}d": transposed for axes in (1, 2, 3)}
