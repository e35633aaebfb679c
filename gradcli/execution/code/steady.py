"""Whether code computes the same when it runs again, but for rounding."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradcli.execution.forward.again import Perturb
from gradcli.tolerance import is_close

# Values on the way are moved by this part of themselves to see what rounding does: many times what it does to one.
ROUNDED = 2.0**-44


def near(one: Tensor, other: Tensor, noise: Tensor | None = None) -> bool:
    """Return whether two outputs are the same, or no further apart than the largest of their `noise`."""
    one, other = one.nan_to_num(0.0, 0.0, 0.0), other.nan_to_num(0.0, 0.0, 0.0)
    if is_close(one, other) or noise is None:
        return is_close(one, other)
    return float((one - other).abs().max()) <= float(noise.nan_to_num(0.0, 0.0, 0.0).max())


def rounding() -> Perturb:
    """Return what moves values as rounding does, and further."""
    generator = torch.Generator().manual_seed(0)

    def moved(_: Any, value: Tensor) -> Tensor:
        if not (value.is_floating_point() or value.is_complex()):
            return value
        signs = 2.0 * torch.randint(0, 2, value.shape, generator=generator) - 1
        return value * (1 + ROUNDED * signs.to(value))

    return moved
