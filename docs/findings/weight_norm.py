"""An entry of a weight in terms of its direction and its length, by the fused call of `torch.nn.utils.weight_norm`."""

from __future__ import annotations

import torch
from torch import Tensor


def entry(direction: Tensor, length: Tensor) -> Tensor:
    """Return the first entry of the row with this direction and length."""
    weight: Tensor = torch._weight_norm(direction, length, 0)  # noqa: SLF001 (it has no other name)
    return weight[0, 0]
