"""Below what integers a tensor's axes are indexed: PyTorch takes each integer below it, and refuses the next."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gradcli.execution.kernels.general import least_indexed

HERE = torch.zeros(4, dtype=torch.long)


@pytest.mark.parametrize(
    ("index", "length"),
    [
        (HERE, 7),
        ((HERE,), 7),
        ((slice(None), HERE), 5),
        ((HERE, HERE), 5),
        ((None, HERE), 7),
        ((..., HERE), 3),
        ((HERE, ..., HERE), 3),
        ((..., HERE, slice(None)), 5),
        ((0, None, HERE), 5),
    ],
)
def test_integers_are_below_the_least_length(index: Any, length: int) -> None:
    tensor = torch.randn(7, 5, 3)
    assert least_indexed(tensor, index) == length
    items = index if isinstance(index, tuple) else (index,)
    largest = tuple(one + length - 1 if one is HERE else one for one in items)
    assert tensor[largest].numel()
    with pytest.raises(IndexError):
        tensor[tuple(one + length if one is HERE else one for one in items)]
