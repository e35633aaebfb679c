"""Forwards that keep something outside of `ctx` from one call to the next: each run is of the same function."""

from __future__ import annotations

import itertools
import random
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.report.custom import CustomDetails

CALLS = [0]
COUNT = 0
MEAN = torch.zeros(3, dtype=torch.float64)
DRAWS = torch.Generator().manual_seed(0)
TICKS = itertools.count(1)


class Scaled(torch.autograd.Function):
    """A product with a number, which the tests change from call to call."""

    @staticmethod
    def factor() -> Any:
        return 2.0

    @classmethod
    def forward(cls, ctx: Any, x: Tensor) -> Tensor:
        ctx.factor = cls.factor()
        return x * ctx.factor

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * ctx.factor


class Counted(Scaled):
    @staticmethod
    def factor() -> Any:
        CALLS[0] += 1
        return 1 + CALLS[0] / 10


class Rebound(Scaled):
    @staticmethod
    def factor() -> Any:
        global COUNT  # noqa: PLW0603 (what is tested)
        COUNT += 1
        return 1 + COUNT / 10


class Annealed(Scaled):
    temperature: ClassVar[float] = 4.0

    @classmethod
    def factor(cls) -> Any:
        cls.temperature *= 0.9
        return cls.temperature


class Averaged(Scaled):
    """By a running mean, which changes in place."""

    @staticmethod
    def factor() -> Any:
        MEAN.mul_(0.9).add_(0.1)
        return MEAN.clone()


class Dropped(Scaled):
    """By numbers of its own generator."""

    @staticmethod
    def factor() -> Any:
        return 1 + torch.rand(3, generator=DRAWS, dtype=torch.float64)


class Drawn(Scaled):
    """By Python's random numbers."""

    @staticmethod
    def factor() -> Any:
        return 1 + random.random()  # noqa: S311 (no secret)


class Ticking(Scaled):
    """By what no one can set back."""

    @staticmethod
    def factor() -> Any:
        return 1 + next(TICKS) / 10


class ReadsItLate(Counted):
    """Backward reads the counter as it is by then."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:  # noqa: ARG004 (PyTorch's signature)
        return g * (1 + CALLS[0] / 10)


class WrongByTwo(Counted):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return 2 * g * ctx.factor


def said(function: type) -> tuple[str, str]:
    report = gradcli.check_function(function, shapes={"x": (3,)})
    assert isinstance(report.details, CustomDetails)
    return report.verdict, "\n".join(i.note for i in (*report.tensors, *(report.details.checks or ())) if i.note)


@pytest.mark.parametrize(
    ("function", "keeps"),
    [
        (Counted, "CALLS"),
        (Rebound, "COUNT"),
        (Annealed, "Annealed.temperature"),
        (Averaged, "MEAN"),
        (Dropped, "DRAWS"),
    ],
)
def test_what_forward_keeps_is_the_same_each_time(function: type, keeps: str) -> None:
    verdict, notes = said(function)
    assert verdict == "match", notes
    assert f"forward changes '{keeps}', which is no argument of it" in notes


def test_random_numbers_of_python_are_the_same_each_time() -> None:
    assert said(Drawn)[0] == "match"


def test_a_backward_that_reads_it_late_is_wrong() -> None:
    verdict, notes = said(ReadsItLate)
    assert verdict == "mismatch"
    assert "the gradient of 'x' is another one once forward has run again before backward" in notes


def test_a_cause_is_named_as_of_any_other_function() -> None:
    assert "the right one times 2" in said(WrongByTwo)[1]


def test_what_cannot_be_set_back_is_said_and_no_gradient_is_blamed() -> None:
    report = gradcli.check_function(Ticking, shapes={"x": (3,)})
    assert report["x"].verdict == "undecided"
    assert "another output each time it runs" in str(report["x"].note)
