"""Whether a tensor holds NaN or infinities, in one pass without a copy where it does not."""

from __future__ import annotations

from torch import Tensor


def all_finite(tensor: Tensor) -> bool:
    """Return whether every entry is finite: a sum is not, if one of its terms is not."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())


def has_nan(tensor: Tensor) -> bool:
    """Return whether some entry is NaN."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return False
    return bool(tensor.sum().isnan()) and bool(tensor.isnan().any())
