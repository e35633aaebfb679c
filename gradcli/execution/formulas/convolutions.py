"""Transposed convolutions as what they are: each entry spreads its products with the weight, which are added up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Arguments = Mapping[str, Any]
# The axes of a sample of a line, and of several.
SAMPLES = 3


def transposed(given: Arguments) -> str | None:
    """Return `conv_transpose1d` of samples, of one group: the product of entry l and weight k is added to one place."""
    value, weight = given["input"].tensor, given["weight"].tensor
    if value.ndim != SAMPLES or given["groups"] != 1:
        return None
    names = ("stride", "padding", "output_padding", "dilation")
    stride, padding, more, dilation = (one if isinstance(one, int) else one[0] for one in map(given.__getitem__, names))
    length, kernel = value.shape[-1], weight.shape[-1]
    count = (length - 1) * stride + dilation * (kernel - 1) + 1 + more
    places = [[stride * entry + dilation * tap for tap in range(kernel)] for entry in range(length)]
    # The steps of a kernel are along the last axis: of few taps there are few places.
    spread = f'einsum("ncl,cok,lkt->not", input, weight, one_hot(tensor({places}), {count})*1.0)'
    whole = f"{spread}[:, :, {padding}:{count - padding}]" if padding else spread
    return whole if given["bias"] is None else f"{whole} + bias[:, None]"
