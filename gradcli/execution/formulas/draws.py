"""How random numbers are changed where a program has no gradient at those of the usual kind.

Positive ones may do: `log(x/y)` has a gradient for many entries nowhere else. With small vectors and smaller matrices,
what is of the lowest degree outweighs the rest, as in `log(b - A @ x)`; with large ones it is the other way about.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from gradcli.execution.reference.tensor_eval import identity

Draw = Callable[[Tensor], Tensor]
# How much smaller, or larger, numbers are for each axis.
SCALE = 8


def positive(value: Tensor) -> Tensor:
    """Return numbers without their signs."""
    return value.abs() if value.is_floating_point() else value


def small(value: Tensor) -> Tensor:
    """Return small numbers, those of matrices smaller."""
    return positive(value) / SCALE**value.ndim if value.is_floating_point() else value


def large(value: Tensor) -> Tensor:
    """Return large numbers, those of matrices larger."""
    return positive(value) * SCALE**value.ndim if value.is_floating_point() else value


def graded(value: Tensor) -> Tensor:
    """Return numbers apart from 0, so that products with a matrix are smaller than a vector of any length."""
    if not value.is_floating_point():
        return value
    longest = max(value.shape) if value.ndim > 1 else 1
    return (value.abs() + 1) / (longest * SCALE**value.ndim)


DRAWS: tuple[Draw, ...] = (identity, positive, small, large, graded)
