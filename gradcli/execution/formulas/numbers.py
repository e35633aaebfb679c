"""Random numbers as they are drawn again where those of the usual size, of either sign, will not do."""

from __future__ import annotations

from torch import Tensor

# How much smaller, or larger, the numbers of a leaf are for each axis.
SCALE = 8


def positive(value: Tensor) -> Tensor:
    """Return the magnitudes of numbers."""
    return value.abs() if value.is_floating_point() else value


def small(value: Tensor) -> Tensor:
    """Return smaller positive numbers, the smaller the more axes there are."""
    return positive(value) / SCALE**value.ndim if value.is_floating_point() else value


def large(value: Tensor) -> Tensor:
    """Return larger positive numbers, the larger the more axes there are."""
    return positive(value) * SCALE**value.ndim if value.is_floating_point() else value
