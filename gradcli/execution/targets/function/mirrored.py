"""Drawn matrices of which forward reads one triangle: the other one is made its mirror image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gradcli.errors import ExecutionError
from gradcli.execution.targets.function.sampling import is_symmetric
from gradcli.execution.targets.function.subject import Subject, Values, joined


def mirrored(subject: Subject, point: Values, names: Sequence[str], places: Sequence[int]) -> Values:
    """Return a point whose matrices of some names are symmetric where that leaves forward as it is.

    What reads one triangle is a function of symmetric matrices: at others it has a gradient of no use.
    """
    for name in names:
        for value in _images(point[name]):
            there = {**point, name: value.requires_grad_(point[name].requires_grad)}
            if _is_alike(subject, point, there, places):
                point = there
                break
    return point


def _images(value: Tensor) -> Iterator[Tensor]:
    """Yield the symmetric matrices of the lower and of the upper triangle of a matrix that is not symmetric."""
    if value.ndim < 2 or value.shape[-1] != value.shape[-2] or is_symmetric(value):  # noqa: PLR2004 (a matrix)
        return
    value = value.detach()
    yield torch.tril(value) + torch.tril(value, -1).mT
    yield torch.triu(value) + torch.triu(value, 1).mT


def _is_alike(subject: Subject, point: Values, there: Values, places: Sequence[int]) -> bool:
    """Return whether forward gives the very same at two points."""
    try:
        one, other = (joined(subject.body(_copies(at)), places) for at in (point, there))
    except ExecutionError:
        return False
    return torch.equal(one, other)


def _copies(point: Values) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in point.items()}
