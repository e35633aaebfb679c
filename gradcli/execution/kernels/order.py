"""Constants that order statistics need: ties and ranks."""

from __future__ import annotations

import torch
from torch import Tensor


def twice(tensor: Tensor, dim: int, values: Tensor) -> Tensor:
    """Return where a value stands more than once in its row along `dim`."""
    if not tensor.ndim:
        return torch.zeros_like(values, dtype=torch.bool)
    ordered = tensor.movedim(dim, -1).sort(-1).values.contiguous()
    wanted = values.movedim(dim, -1).contiguous()
    count = torch.searchsorted(ordered, wanted, right=True) - torch.searchsorted(ordered, wanted)
    return (count > 1).movedim(-1, dim)


def tied_so_far(tensor: Tensor, dim: int, sign: int) -> Tensor:
    """Return where the largest entry so far (smallest, for sign -1) has stood twice along `dim`."""
    if not tensor.ndim:
        return torch.zeros_like(tensor, dtype=torch.bool)
    rows = (tensor * sign).movedim(dim, -1)
    largest = rows.cummax(-1).values
    hits = (rows == largest).cumsum(-1)  # how often the running maximum was set or met
    starts = (largest != largest.roll(1, -1)).index_fill(-1, torch.tensor([0]), value=True)
    before = torch.where(starts, hits, 0).cummax(-1).values  # the count when it was set
    return (hits > before).movedim(-1, dim)


def last_rank(tensor: Tensor, skip: bool) -> Tensor:
    """Return, for each row along the last axis, the index of its last entry; `skip` leaves NaN out."""
    count = torch.full_like(tensor[..., :1], tensor.shape[-1], dtype=torch.int64)
    if skip:
        count = (~tensor.isnan()).sum(-1, keepdim=True)
    return (count - 1).clamp_min(0)


def integer(tensor: Tensor) -> Tensor:
    """Return the same numbers as integers."""
    return tensor.to(torch.int64)
