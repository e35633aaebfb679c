"""Types of tensors, by the words that the language has for them."""

from __future__ import annotations

import torch
from torch import Tensor


def to(tensor: Tensor, dtype: str) -> Tensor:
    """Return a tensor in a type; `default` is that of the run, and a lower precision only rounds to it."""
    if dtype == "default":
        return tensor.to(torch.get_default_dtype())
    wanted: torch.dtype = getattr(torch, dtype)
    return tensor.to(wanted).to(torch.get_default_dtype()) if wanted.is_floating_point else tensor.to(wanted)
