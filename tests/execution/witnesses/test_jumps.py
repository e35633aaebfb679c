"""Jumps, poles and infinite slopes of functions of one number, known by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gradcli.execution.witnesses.jumps import jumping, steep
from gradcli.execution.witnesses.line import Line

ONE = torch.ones(1, 1, dtype=torch.float64)
ZERO = torch.zeros(1, dtype=torch.float64)
Function = Callable[[Tensor], Tensor]


def line(function: Function) -> Line:
    point = {"x": torch.zeros(1, dtype=torch.float64)}
    return Line.of(lambda tensors: function(tensors["x"]).sum(), point, ["x"], torch.ones((), dtype=torch.float64))


@pytest.mark.parametrize(
    ("function", "jumps"),
    [
        (lambda x: (x > 0) * 1.0 + x, True),
        (lambda x: torch.where(x == 0, 0.0, 1 / x), True),  # a pole of which the value at 0 is finite
        (lambda x: x.abs(), False),
        (lambda x: (x > 1e-8) * 1.0 + x, False),  # a jump beside the point
        (lambda x: x.abs().sqrt(), False),
    ],
    ids=["step", "pole", "kink", "step beside the point", "cusp"],
)
def test_what_jumps(function: Function, jumps: bool) -> None:
    assert jumping(line(function), ONE, ZERO).tolist() == [jumps]


@pytest.mark.parametrize(
    ("function", "claimed", "is_steep"),
    [
        (lambda x: x.clamp_min(0).sqrt(), 0.0, True),
        (lambda x: x.clamp_min(0).sqrt(), 1e9, False),  # nothing is known beyond what is claimed
        (lambda x: x.abs(), 0.0, False),
        (lambda x: torch.tanh(1e12 * x), 0.0, False),
        (lambda x: x.abs() ** 1.5, 0.0, False),
    ],
    ids=["root", "claimed", "kink", "large", "smooth"],
)
def test_what_is_steep(function: Function, claimed: float, is_steep: bool) -> None:
    assert steep(line(function), ONE, torch.tensor([claimed], dtype=torch.float64)).tolist() == [is_steep]
