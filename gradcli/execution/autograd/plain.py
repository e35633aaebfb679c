"""Gradients as tensors that can be read."""

from __future__ import annotations

from torch import Tensor


def plain(gradient: Tensor) -> Tensor:
    """Return a gradient without its history; a zero that PyTorch keeps without storage becomes one with it."""
    detached = gradient.detach()
    return detached.clone() if detached._is_zerotensor() else detached  # noqa: SLF001 (there is no public name)
