from __future__ import annotations

import math

import pytest
import torch

from gradcli.settings import Settings
from gradcli.tolerance import Tolerance, is_close

DOUBLE = Tolerance.of("float64")


@pytest.mark.parametrize(
    ("gradient", "reference", "agrees"),
    [
        (1.0 + 5e-10, 1.0, True),
        (1.0 + 2e-9, 1.0, False),
        (math.nan, math.nan, False),
        (math.inf, math.inf, True),
        (math.inf, -math.inf, False),
        (1.0, math.inf, False),
        (math.inf, 1.0, False),
    ],
)
def test_an_entry_agrees_with_its_like(gradient: float, reference: float, agrees: bool) -> None:
    values = [torch.tensor([value, 7.0], dtype=torch.float64) for value in (gradient, reference)]
    assert DOUBLE.agrees(*values).tolist() == [agrees, True]


def test_more_may_be_allowed() -> None:
    one, other = torch.tensor([1.0]), torch.tensor([1.5])
    assert not DOUBLE.agrees(one, other).all()
    assert DOUBLE.agrees(one, other, torch.tensor([0.6])).all()


def test_the_user_s_tolerance_goes_before_the_dtype_s() -> None:
    assert Settings(dtype="float32").tolerance == Tolerance.of("float32")
    assert Settings(dtype="float32", rtol=0.5).tolerance == Tolerance(0.5, Tolerance.of("float32").absolute, True)
    assert Settings(atol=0.25).tolerance == Tolerance(DOUBLE.relative, 0.25)


def test_closeness_is_relative_to_the_largest_entry_or_to_a_scale() -> None:
    reference = torch.tensor([1000.0, 0.0], dtype=torch.float64)
    assert is_close(reference + 5e-7, reference)
    assert not is_close(reference + 2e-6, reference)
    assert not is_close(reference + 5e-7, reference, scale=1.0)
    assert is_close(reference + 1.0, reference, closeness=1e-2)
    assert is_close(torch.zeros(0), torch.zeros(0))
    assert not is_close(reference * math.nan, reference)
