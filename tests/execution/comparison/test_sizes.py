from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gradcli.execution.comparison.sizes import SizesOfEntries
from gradcli.execution.forward.trace import TracedTensor


@pytest.mark.parametrize(
    ("tensor", "least", "largest"),
    [
        (torch.tensor([[3.0, -0.5], [-7.0, 2.0]]), 0.5, 7.0),
        (torch.tensor([0.0, -1e-200], dtype=torch.float64), 0.0, 1e-200),
        (torch.tensor([1.0, -math.inf]), 1.0, math.inf),
        (torch.tensor([3 + 4j, 1j]), 1.0, 5.0),
        (torch.zeros(0), math.inf, 0.0),
        (torch.tensor([5, 7]), math.inf, 0.0),
    ],
)
def test_sizes_are_the_least_and_the_largest(tensor: Tensor, least: float, largest: float) -> None:
    assert SizesOfEntries().of(TracedTensor(tensor, "x", "x")) == (least, largest)


def test_a_tensor_with_a_nan_is_not_finite() -> None:
    sizes, traced = SizesOfEntries(), TracedTensor(torch.tensor([1.0, math.nan]), "x", "x")
    assert all(map(math.isnan, sizes.of(traced)))
    assert not sizes.are_finite([traced])
    assert sizes.are_finite([TracedTensor(torch.ones(2), "y", "y")])
