"""Definitions of what picks entries by their values: at an index that a call of PyTorch's finds, a constant."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from gradcli.execution.forward.trace import TracedTensor

Arguments = Mapping[str, Any]
# How many of a layer's last axes a pooling is along.
AXES = {"1d": 1, "2d": 2, "3d": 3}
# How a quantile between two entries is made of them: which of them, and with which weight.
ROUNDED: Mapping[str, Callable[[float], tuple[tuple[int, float], ...]]] = {
    "linear": lambda rank: ((math.floor(rank), 1 - rank % 1), (math.floor(rank) + 1, rank % 1)),
    "midpoint": lambda rank: ((math.floor(rank), 0.5), (math.ceil(rank), 0.5)),
    "lower": lambda rank: ((math.floor(rank), 1.0),),
    "higher": lambda rank: ((math.ceil(rank), 1.0),),
    "nearest": lambda rank: ((round(rank), 1.0),),
}


def pooled(name: str, *parameters: str) -> Callable[[Arguments], str | None]:
    """Return the definition of a pooling by the largest entries, whose places PyTorch returns too."""

    def defined(given: Arguments) -> str | None:
        words = ", ".join(["detach(input)", *(f"{one}={one}" for one in parameters), "return_indices=True"])
        found = f"k = {name}({words})[1]"
        axes = AXES[name[-2:]]
        flat = (
            "gather(input, -1, k)"
            if axes == 1
            else f"reshape(gather(flatten(input, -{axes}), -1, flatten(k, -{axes})), k.shape)"
        )
        return f"{found}\ny = {flat}\n{'(y, k)' if given['return_indices'] else 'y'}"

    return defined


def sorted_rows(given: Arguments) -> str | None:
    """Return `msort`."""
    return "gather(input, 0, argsort(detach(input), 0))" if given["input"].tensor.ndim else None


def quantile(given: Arguments) -> str | None:
    """Return a quantile, or several that the program spells out: of one rank, between the two entries next to it."""
    value, dim, several = given["input"].tensor, given["dim"], _numbers(given["q"])
    if several is None or value.ndim == 0 or (dim is None and value.ndim > 1):
        return None
    axis = (0 if dim is None else dim) % value.ndim
    parts = [_of_rank(q * (value.shape[axis] - 1), axis, value.ndim, given) for q in several]
    if not isinstance(given["q"], TracedTensor) or not given["q"].tensor.ndim:
        return parts[0]
    return f"stack(({', '.join(parts)},), 0)"


def _of_rank(rank: float, axis: int, axes: int, given: Arguments) -> str:
    """Return the entry of a rank among sorted ones, which need not be a whole number."""
    whole = round(rank, 9)
    parts = [(place, weight) for place, weight in ROUNDED[given["interpolation"]](whole) if weight > 0]
    return " + ".join(
        f"{'' if weight == 1 else f'{round(weight, 9)!r}*'}{_entry(place, axis, axes, is_kept=given['keepdim'])}"
        for place, weight in parts
    )


def _entry(place: int, axis: int, axes: int, *, is_kept: bool) -> str:
    items = ", ".join(str(place) if one == axis else ":" for one in range(axes))
    picked = f"gather(input, {axis}, unsqueeze(argsort(detach(input), {axis})[{items}], {axis}))"
    return picked if is_kept else f"squeeze({picked}, {axis})"


def _numbers(q: Any) -> list[float] | None:
    """Return the shares that a program gives as numbers."""
    if isinstance(q, TracedTensor):
        return None if q.tensor.requires_grad or q.tensor.ndim > 1 else q.tensor.reshape(-1).tolist()
    return [float(q)]


POOLS = tuple(f"max_pool{axes}" for axes in AXES)
ADAPTIVE = tuple(f"adaptive_max_pool{axes}" for axes in AXES)
DEFINED: Mapping[str, Callable[[Arguments], str | None]] = {
    **{name: pooled(name, "kernel_size", "stride", "padding", "dilation", "ceil_mode") for name in POOLS},
    **{name: pooled(name, "output_size") for name in ADAPTIVE},
    "msort": sorted_rows,
    "quantile": quantile,
    "nanquantile": quantile,
}
