"""Small tensors looked at together: there are many, and each call of PyTorch takes longer than their entries."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from gradcli.execution.comparison.compare import Survey
from gradcli.execution.forward.dtypes import double

# Entries of a tensor that is looked at beside others: to copy more takes longer than the calls.
SMALL = 1 << 13
Key = TypeVar("Key")


def rows(tensors: Mapping[Key, Tensor]) -> Iterator[tuple[Sequence[Key], Tensor]]:
    """Yield small real tensors of as many entries and of the same dtype as the rows of a matrix, where there are two.

    All others are left out.
    """
    groups: dict[tuple[int, torch.dtype], list[Key]] = {}
    for key, tensor in tensors.items():
        if 0 < tensor.numel() <= SMALL and tensor.is_floating_point() and is_plain(tensor):
            groups.setdefault((tensor.numel(), tensor.dtype), []).append(key)
    for keys in groups.values():
        if len(keys) > 1:
            yield keys, _matrix([tensors[key] for key in keys])


def _matrix(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors of as many entries as the rows of a matrix, which is a copy."""
    shape = tensors[0].shape
    alike = [one if one.shape == shape else one.reshape(shape) for one in tensors]
    return torch.stack(alike).reshape(len(tensors), -1)


def is_plain(tensor: Tensor) -> bool:
    """Return whether a tensor is an ordinary one in memory."""
    return tensor.layout is torch.strided and tensor.is_cpu


def surveys(gradients: Mapping[Key, Tensor | None], references: Mapping[Key, Tensor]) -> dict[Key, Survey]:
    """Return how small gradients compare with their references, for those that are finite; the rest is left out."""
    known = {key: double(one) for key, one in gradients.items() if one is not None and key in references}
    alike = {key: references[key] for key, one in known.items() if _is_alike(one, references[key])}
    found: dict[Key, Survey] = {}
    for keys, beside in rows(alike):
        errors = _matrix([known[key] for key in keys]).sub_(beside).abs_()
        largest, places = errors.max(dim=1)
        sizes = beside.abs_()
        # With a dimension `aminmax` takes ten times as long as `amax`.
        numbers = [of.tolist() for of in (largest, places, errors.div_(sizes).amax(dim=1), sizes.amax(dim=1))]
        for key, error, place, ratio, scale in zip(keys, *numbers, strict=True):
            relative = ratio if error else 0.0
            if math.isfinite(error) and math.isfinite(scale) and not math.isnan(relative):  # of 0/0
                found[key] = Survey(error, place, relative, scale)
    return found


def _is_alike(gradient: Tensor, reference: Tensor) -> bool:
    return gradient.shape == reference.shape and gradient.dtype == reference.dtype and is_plain(gradient)
