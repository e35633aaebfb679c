"""Other last bits: every entry of a tensor times a random factor next to 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Relative size of the steps: a few units in the last place.
STEP = 4 * torch.finfo(torch.float64).eps
# A factor needs no more than this many random bits, and a draw has 64: drawing takes most of the time.
LEVEL, DRAWN = torch.int16, torch.int64
LEVELS, LEVELS_DRAWN = 2.0**15, 4
# Below so many entries more calls would take longer than more draws.
FEW = 2048


def perturb(tensor: Tensor, generator: torch.Generator, size: float = STEP) -> Tensor:
    """Return a tensor with each entry changed by up to `size`, relative to it."""
    if tensor.is_complex():
        return torch.view_as_complex(perturb(torch.view_as_real(tensor.resolve_conj()), generator, size))
    if not tensor.is_floating_point():
        return tensor
    factors = _factors(tensor.shape, generator, size)
    return factors.mul_(tensor) if tensor.dtype == torch.float64 else tensor * factors


def _factors(shape: torch.Size, generator: torch.Generator, size: float) -> Tensor:
    count = math.prod(shape)
    if count < FEW:
        return torch.empty(shape, dtype=torch.float64).uniform_(1 - size, 1 + size, generator=generator)
    drawn = torch.empty(-(-count // LEVELS_DRAWN), dtype=DRAWN)
    levels = drawn.random_(torch.iinfo(DRAWN).min, None, generator=generator).view(LEVEL)[:count]
    return levels.view(shape).to(torch.float64).mul_(size / LEVELS).add_(1)
