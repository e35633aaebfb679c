"""Jumps, poles and infinite slopes of functions of one number, known by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gradcli.execution.witnesses.grain import Grain
from gradcli.execution.witnesses.jumps import is_hidden, is_level, jumping, steep
from gradcli.execution.witnesses.line import Line

ONE = torch.ones(1, 1, dtype=torch.float64)
ZERO = torch.zeros(1, dtype=torch.float64)
Function = Callable[[Tensor], Tensor]


def line(function: Function, at: float = 0.0) -> Line:
    point = {"x": torch.full((1,), at, dtype=torch.float64)}
    return Line.of(lambda tensors: function(tensors["x"]).sum(), point, ["x"], torch.ones((), dtype=torch.float64))


@pytest.mark.parametrize(
    ("function", "jumps"),
    [
        (lambda x: (x > 0) * 1.0 + x, True),
        (lambda x: torch.where(x == 0, 0.0, 1 / x), True),  # a pole of which the value at 0 is finite
        (lambda x: x.abs(), False),
        (lambda x: (x > 1e-8) * 1.0 + x, False),  # a jump beside the point
        (lambda x: x.abs().sqrt(), False),
        (lambda x: (1e300 * x).clamp(0, 1), False),
        (lambda x: (x**2 > 0) * 1.0, True),
    ],
    ids=["step", "pole", "kink", "step beside the point", "cusp", "very steep", "step by a square"],
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
        (lambda x: torch.xlogy(x.abs(), x.abs()), 0.0, True),
        (lambda x: x * (x.abs() + 1e-12).log(), 0.0, False),  # which levels off where steps still show it
        (lambda x: x + x.abs() ** 1.05, 0.0, False),
        (lambda x: (1e300 * x).clamp(0, 1), 0.0, False),
        (lambda x: 1e-10 * (1e300 * x).clamp_min(0) ** 0.1, 0.0, True),
    ],
    ids=[
        *("root", "claimed", "kink", "large", "smooth", "x log x", "x log (x + small)", "slowly flat"),
        *("very steep", "root of large numbers"),
    ],
)
def test_what_is_steep(function: Function, claimed: float, is_steep: bool) -> None:
    assert steep(line(function), ONE, torch.tensor([claimed], dtype=torch.float64)).tolist() == [is_steep]


@pytest.mark.parametrize(("function", "at"), [(lambda x: (x - 1e300) ** 2, 1e300), (lambda x: (x - 1e20).exp(), 1e20)])
def test_what_overflows_beside_a_large_number_is_not_steep(function: Function, at: float) -> None:
    assert steep(line(function, at), ONE, ZERO + 1).tolist() == [False]


def test_what_levels_off_beyond_what_steps_show_is_not_steep() -> None:
    """x·log(|x| + 1e-300) has the slope -691 at 0: a program with such a number in it may do anything above it."""
    assert steep(line(lambda x: x * (x.abs() + 1e-300).log()), ONE, ZERO).tolist() == [False]
    one = line(lambda x: (x - 1) * ((x - 1).abs() + 1e-300).log(), at=1.0)
    fine = dataclasses.replace(one, grain=Grain(smallest=1e-300))
    assert steep(one, ONE, ZERO).tolist() == [True]
    assert steep(fine, ONE, ZERO).tolist() == [False]


@pytest.mark.parametrize(
    ("function", "slope", "jump", "level"),
    [
        (lambda x: 3 * x + 1, 3.0, 1.0, True),
        (lambda x: 3 * x + 1, 2.0, 1.0, False),
        (lambda x: 3 * x + 1, 3.0, 1e-14, False),  # which would not show
        (lambda x: 3 * x + 1 + 1e-3 * (x > 0), 3.0, 1e-3, False),
    ],
    ids=["flat", "another slope", "lost in rounding", "step"],
)
def test_what_is_level(function: Function, slope: float, jump: float, level: bool) -> None:
    assert is_level(line(function), ONE, torch.tensor([slope], dtype=torch.float64), jump) is level
    assert is_hidden(line(function), jump) is (jump < 1e-12)
