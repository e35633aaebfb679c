"""Values with other last bits: each times a random factor next to 1."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random

import torch
from torch import Tensor

# Relative size of the steps: a few units in the last place.
STEP = 4 * torch.finfo(torch.float64).eps
# Factors are read from one of so many places at least: that two values of a run have the same is left to chance.
LEAST_PLACES = 4096


@dataclass(slots=True)
class LastBits:
    """Random factors, drawn once and read from another place each time: to draw them costs more than to use them."""

    random: Random = field(default_factory=lambda: Random(0))  # noqa: S311 (no secret)
    _drawn: dict[float, Tensor] = field(default_factory=dict)

    def changed(self, tensor: Tensor, size: float = STEP) -> Tensor:
        """Return a tensor of numbers with each entry changed by up to `size`, relative to it; any other as it is."""
        if tensor.is_complex():
            return torch.view_as_complex(self.changed(torch.view_as_real(tensor.resolve_conj()), size))
        return self._factors(tensor.shape, size) * tensor if tensor.is_floating_point() else tensor

    def _factors(self, shape: tuple[int, ...], size: float) -> Tensor:
        count = math.prod(shape)
        most = count + max(LEAST_PLACES, count // 4)
        drawn = self._drawn.get(size)
        if drawn is None or len(drawn) < most:
            generator = torch.Generator().manual_seed(self.random.getrandbits(32))
            drawn = torch.empty(most, dtype=torch.float64).uniform_(1 - size, 1 + size, generator=generator)
            self._drawn[size] = drawn
        start = self.random.randrange(len(drawn) - count + 1)
        return drawn[start : start + count].view(shape)
