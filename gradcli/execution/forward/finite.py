"""Whether a tensor holds NaN or infinities, in one pass without a copy where it does not."""

from __future__ import annotations

import cmath

import torch
from torch import Tensor


def all_finite(tensor: Tensor) -> bool:
    """Return whether every entry is finite: a sum is not, if one of its terms is not."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    tensor = _summable(tensor) if tensor.dtype is torch.complex32 else tensor
    return cmath.isfinite(tensor.sum().item()) or bool(tensor.isfinite().all())


def has_nan(tensor: Tensor) -> bool:
    """Return whether some entry is NaN."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return False
    tensor = _summable(tensor) if tensor.dtype is torch.complex32 else tensor
    return cmath.isnan(tensor.sum().item()) and bool(tensor.isnan().any())


def _summable(tensor: Tensor) -> Tensor:
    """Return a tensor of the same parts: PyTorch makes complex numbers of half precision, and has no sum of them."""
    return torch.view_as_real(tensor.resolve_conj())
