"""Gradients as tensors that can be read."""

from __future__ import annotations

import torch
from torch import Tensor


def plain(gradient: Tensor) -> Tensor:
    """Return a gradient without its history, and dense; a zero that PyTorch keeps without storage gets one."""
    detached = gradient.detach()
    if detached.layout is not torch.strided:  # an embedding with sparse=True
        return detached.to_dense()
    return detached.clone() if detached._is_zerotensor() else detached  # noqa: SLF001 (there is no public name)
