"""Where an op jumps on the way of a tensor that code makes: verdicts by what its calls do together, known by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli


def turned(x: Tensor) -> Tensor:
    """sin(2πy), whatever is taken off y."""
    y = x * 1
    return torch.sin(2 * math.pi * (y - torch.floor(y))).sum()


def whole(x: Tensor) -> Tensor:
    y = x * 1
    return (torch.frac(y) + torch.floor(y)).sum()


def round_the_cut(x: Tensor) -> Tensor:
    y = x * 0
    return torch.sin(torch.atan2(y, x - 2)).sum()


def stairs(x: Tensor) -> Tensor:
    y = x * 1
    return (y + torch.floor(y)).sum()


def decided(x: Tensor) -> Tensor:
    """Jumps by a choice of Python's that no call shows."""
    y = x * 1
    z = y - torch.floor(y)
    return (z if bool(y.sum() >= 1) else z + 5).sum()


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (turned, "match"),
        (whole, "match"),
        (round_the_cut, "match"),
        (stairs, "undefined"),
        (decided, "undefined"),
    ],
)
def test_a_tensor_on_the_way_of_an_op_that_jumps(code: Any, verdict: str, command: Any) -> None:
    report = command(code, {"x": torch.tensor([1.0], dtype=torch.float64)})
    assert report["y"].verdict == verdict, report["y"].note


def near_to_equal(x: Tensor, y: Tensor) -> Tensor:
    return (x * x).sum() if torch.allclose(x, y) else (x * y).sum()


def test_a_decision_within_the_steps_of_differences_is_named() -> None:
    """Where x = y it computes x*x, whose gradient is 2x; differences go further than the 1e-5 of `allclose`."""
    x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    report = gradcli.check(near_to_equal, {"x": x, "y": x.clone()})
    assert report["x"].gradient.tolist() == [2.0, 4.0]
    assert report["x"].verdict == "undecided"
    assert "otherwise within the steps of the differences" in str(report["x"].note)
    assert gradcli.check(near_to_equal, {"x": x, "y": x + 1}).verdict == "match"
