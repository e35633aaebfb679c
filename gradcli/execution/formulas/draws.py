"""How random numbers are changed where a program has no gradient at those of the usual kind.

Positive ones may do: `log(x/y)` has a gradient for many entries nowhere else. With small vectors and smaller matrices,
what is of the lowest degree outweighs the rest, as in `log(b - A @ x)`; with large ones it is the other way about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gradcli.errors import InputError
from gradcli.execution.reference.tensor_eval import identity
from gradcli.phrases import show_shape
from gradcli.settings import Settings

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


def labels(below: int | None, shape: Sequence[int], seed: int) -> Tensor:
    """Return random integers from 0 on, below a number; random truth values where there is none."""
    generator = torch.Generator().manual_seed(seed)
    found = torch.randint(2 if below is None else max(below, 1), torch.Size(shape), generator=generator)
    return found.bool() if below is None else found


def assumed(name: str, value: Tensor, settings: Settings) -> Tensor:
    """Return a value as it is assumed to be: symmetric, orthogonal, positive; InputError if none can be so."""
    if name in settings.positive:
        value = value.abs()
    if name in settings.orthogonal:
        return torch.linalg.qr(_square(name, value, "--orthogonal"))[0]
    return (value + _square(name, value, "--symmetric").mT) / 2 if name in settings.symmetric else value


def _square(name: str, value: Tensor, option: str) -> Tensor:
    if value.ndim < 2 or value.shape[-1] != value.shape[-2]:  # noqa: PLR2004 (a matrix)
        raise InputError(f"'{name}' has shape {show_shape(tuple(value.shape))}: it is no square matrix", option=option)
    return value
