"""What underflow hides: verdicts at numbers whose squares have few digits, beside derivatives known by hand."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch

import gradcli
from gradcli.execution.comparison.underflow import _has_tiny

SPREAD = [2e-160, 4e-161, 6e-161]
FURTHER = [2e-170, 4e-171, 6e-171]
EQUAL = [2e-170, 2e-170, 2e-170]


@pytest.mark.parametrize(
    ("program", "values"),
    [
        # |x|/|x| of three digits, or none: the derivatives are x/|x| and (x - mean)/(2 std)
        ("sqrt(sum(x**2))", {"x": SPREAD}),
        ("std(x)", {"x": SPREAD}),
        ("std(x)", {"x": FURTHER}),
        ("std(x, 0, keepdim=True).sum()*1e170", {"x": FURTHER}),
        ("std(y/x)", {"y": 1e-160, "x": [0.5, -2.203125, 1.5]}),
        ("sum(sqrt(x*y))", {"x": SPREAD, "y": SPREAD}),
    ],
)
def test_digits_that_underflow_took_decide_nothing(program: str, values: dict[str, Any]) -> None:
    report = gradcli.evaluate(program, values)
    assert report["x"].verdict == "undecided"
    assert "so small" in str(report["x"].note)


@pytest.mark.parametrize(
    ("program", "values", "verdict"),
    [
        ("sum(x*x)", {"x": SPREAD}, "match"),
        ("softmax(1e163*x, 0)[0]", {"x": SPREAD}, "match"),
        ("relu(x - 1).sum() + sum(x)", {"x": FURTHER}, "match"),
        # 0 for another reason: x - x, whatever its digits
        ("F.l1_loss(x, x, reduction='none').sum() + sum(x)", {"x": SPREAD}, "match"),
        ("std(x)", {"x": EQUAL}, "subgradient"),
        ("norm(x - y)", {"x": EQUAL, "y": EQUAL}, "subgradient"),
        ("(relu(x)*log(relu(x) + 1e-300)).sum()", {"x": [0.0]}, "subgradient"),
    ],
)
def test_what_does_not_rest_on_such_digits_is_decided(program: str, values: dict[str, Any], verdict: str) -> None:
    report = gradcli.evaluate(program, values)
    assert report["x"].verdict == verdict, report["x"].note


@pytest.mark.parametrize("program", ["std(x)", "std(sort(x)[0])", "norm(x - 1e300)"])
def test_a_kink_stays_one_where_steps_overflow(program: str) -> None:
    assert gradcli.evaluate(program, {"x": [1e300, 1e300]})["x"].verdict == "subgradient"


@pytest.mark.parametrize("place", range(4))
def test_a_number_whose_square_underflows_is_found_in_whatever_tensor_it_is(place: int) -> None:
    tensors = [
        torch.ones(3, dtype=torch.float64),
        torch.ones(2, 2, dtype=torch.complex128).mT,
        torch.ones(2000, dtype=torch.float64),
        torch.zeros((), dtype=torch.float64),
    ]
    others = [torch.full((2,), 1e-30, dtype=torch.float32), torch.ones(2, dtype=torch.int64), torch.zeros(0)]
    assert not _has_tiny(tensors + others)
    tensors[place].fill_(1e-160)
    assert _has_tiny(tensors + others)


@pytest.mark.parametrize("entries", [*itertools.product([0.0, -1.0, -1e-200, math.inf, math.nan], repeat=2)])
def test_a_zero_and_a_nan_are_no_tiny_numbers_and_hide_none(entries: tuple[float, ...]) -> None:
    tensors = [torch.tensor(entries, dtype=torch.float64)]
    assert _has_tiny(tensors) == any(0 < abs(entry) < 2.0**-500 for entry in entries)
