"""Gradients as tensors that can be read."""

from __future__ import annotations

import torch
from torch import Tensor


def plain(gradient: Tensor) -> Tensor:
    """Return a gradient without its history, dense and with storage."""
    detached = gradient.detach()
    if detached.layout is not torch.strided:  # an embedding with sparse=True
        return detached.to_dense()
    return stored(detached)


def copied(gradient: Tensor | None) -> Tensor | None:
    """Return a gradient as it is now, for what may change it; None if there is none."""
    return None if gradient is None else plain(gradient).clone()


def stored(gradient: Tensor) -> Tensor:
    """Return a gradient with storage: PyTorch keeps some zeros without, as that of `sgn`."""
    return gradient.clone() if gradient._is_zerotensor() else gradient  # noqa: SLF001 (there is no public name)
