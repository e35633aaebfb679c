"""Whether tensors are finite, of the dtypes that PyTorch has no sum of too."""

from __future__ import annotations

import pytest
import torch

from gradcli.execution.forward.finite import all_finite, has_nan


@pytest.mark.filterwarnings("ignore:ComplexHalf")
def test_numbers_are_finite_that_pytorch_cannot_add_up() -> None:
    numbers = torch.tensor([1 + 2j, 3 - 4j], dtype=torch.complex32)
    broken = torch.tensor([1 + 2j, complex(0, float("nan"))], dtype=torch.complex32)
    assert all_finite(numbers.conj())
    assert not has_nan(numbers)
    assert not all_finite(broken)
    assert has_nan(broken)
