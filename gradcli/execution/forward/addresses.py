"""Where tensors lie in memory."""

from __future__ import annotations

import torch
from torch import Tensor


def address_of(tensor: Tensor) -> int:
    """Return where a tensor's entries begin; of a sparse one, which has no such place, a number of its own."""
    return tensor.data_ptr() if tensor.layout is torch.strided else -id(tensor)
