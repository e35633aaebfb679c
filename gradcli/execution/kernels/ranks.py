"""The rank of a matrix, as PyTorch counts singular values, and where it may change."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradcli.errors import NotSupportedError

# Singular values that are that close to where they are taken for 0, relative to the largest, are beside a jump.
NEXT = 2.0**-40


def rank(matrix: Tensor, atol: Any, rtol: Any) -> int:
    """Return how many singular values are not taken for 0: as many in every matrix of a batch."""
    values = torch.linalg.svdvals(matrix)
    if not values.numel():
        return 0
    counts = (values > _bound(matrix, values, atol, rtol)).sum(-1)
    if int(counts.min()) != int(counts.max()):
        raise NotSupportedError("the matrices of a batch differ in rank")
    return int(counts.max())


def rank_may_change(matrix: Tensor, atol: Any, rtol: Any) -> Tensor:
    """Return, for each matrix, as (..., 1, 1), whether a singular value is where it is first taken for 0.

    A bound that is far above rounding drops the values below it next to the point as well: there is no jump.
    """
    values = torch.linalg.svdvals(matrix)
    if not values.numel():
        return torch.zeros(*matrix.shape[:-2], 1, 1, dtype=torch.bool)
    near = (values - _bound(matrix, values, atol, rtol)).abs() <= NEXT * values[..., :1]
    return near.any(-1)[..., None, None]


def _bound(matrix: Tensor, values: Tensor, atol: Any, rtol: Any) -> Tensor:
    """Return up to where PyTorch takes singular values for 0, as (..., 1)."""
    relative = rtol if rtol is not None else (0 if atol else max(matrix.shape[-2:]) * torch.finfo(matrix.dtype).eps)
    return torch.maximum(torch.as_tensor(atol or 0.0), torch.as_tensor(relative) * values[..., 0]).unsqueeze(-1)
