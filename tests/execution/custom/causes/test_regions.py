"""A gradient that is wrong only on one side of a number, at it, or at ties."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.report.custom import CustomDetails
from gradcli.report.report import Report


class Elementwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x / (1 + x.abs())


class WrongBelowZero(Elementwise):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g / (1 + x) ** 2


class WrongAboveZero(Elementwise):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g / (1 - x) ** 2


class WrongAtZero(Elementwise):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * x.sign() ** 2 / (1 + x.abs()) ** 2


class OtherChoiceAtZero(torch.autograd.Function):
    """Leaky, with the slope from the right at the kink, which is right, and a wrong one on the left."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x > 0, x, 0.5 * x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * torch.where(x >= 0, 1.0, 0.25)


class Huber(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x.abs() < 1.5, x * x / 2, 1.5 * x.abs() - 1.125)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * x


class WrongBetween(Elementwise):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g / (1 + x.abs()) ** 2 * torch.where((x > 0.5) & (x < 0.75), 2, 1)


class Clipped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(max=2.5)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:  # noqa: ARG004 (PyTorch's signature)
        return g


class SumOfDifferences(torch.autograd.Function):
    """The sum of |xᵢ - xⱼ|³, whose gradient is 0 for equal entries."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return ((x[:, None] - x[None]).abs() ** 3).sum()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        d = x[:, None] - x[None]
        ties = (d == 0).sum(1) > 1
        return g * 6 * (d * d.abs()).sum(1) + ties


class SegmentMaxima(torch.autograd.Function):
    """The largest entry of each segment: of two that tie both get the whole gradient, and not a part of it each."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor) -> Tensor:
        largest = torch.zeros(4, dtype=x.dtype).scatter_reduce(0, index, x, "amax", include_self=False)
        ctx.save_for_backward(x, index, largest)
        return largest

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, index, largest = ctx.saved_tensors
        return g[index] * (x == largest[index]), None


class WrongEverywhere(Elementwise):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g / (1 + x.abs())


class Halved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.relu(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * (x > 0) / 2


class Capped(torch.autograd.Function):
    """Right for x, with a choice where x is at the cap; wrong for a cap that is negative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cap: Tensor) -> Tensor:
        ctx.save_for_backward(x, cap)
        return torch.minimum(torch.relu(x), cap)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, cap = ctx.saved_tensors
        return g * ((x > 0) & (x < cap)), (g * (x >= cap)).sum().reshape(cap.shape)


def said(report: Report) -> str:
    assert isinstance(report.details, CustomDetails)
    return " ".join(str(item.note) for item in (*report.tensors, *(report.details.checks or ())))


@pytest.mark.parametrize(
    ("function", "value", "words"),
    [
        (WrongBelowZero, [-0.3, 0.2, 0.5], "x < 0"),
        (WrongBelowZero, [2.0], "x < 0"),
        (WrongBelowZero, -2.0, "x < 0"),
        (WrongBelowZero, 2.0, "x < 0"),
        (WrongAboveZero, [[-0.3, 0.2]], "x > 0"),
        (WrongAboveZero, [-0.3], "x > 0"),
        (WrongAtZero, [0.5, 0.0, -1.0], "x = 0"),
        (WrongAtZero, [0.5, 1.0], "x = 0"),
        (OtherChoiceAtZero, [0.5, -1.0], "x < 0"),
        (OtherChoiceAtZero, [0.5], "x < 0"),
        (Huber, [0.5, 1.0], "|x| > 1.5"),
        (Huber, [4.0], "|x| > 1.5"),
        (WrongBetween, [0.25, 0.625], "0.5 < x < 0.75"),
        (WrongBetween, [0.25, 4.0], "0.5 < x < 0.75"),
        (Clipped, [0.5, 4.0], "x > 2.5"),
        (Clipped, [0.5], "x > 2.5"),
        (SumOfDifferences, [0.5, 4.0, 0.5], "entries of x tie"),
        (SumOfDifferences, [0.5, 4.0, 1.5], "entries of x tie"),
    ],
)
def test_where_a_gradient_is_wrong(function: type, value: Any, words: str) -> None:
    report = gradcli.check_function(function, {"x": torch.tensor(value, dtype=torch.float64)})
    assert str(report.verdict) == "mismatch"
    assert f"it is wrong only where {words}" in said(report)


def test_where_entries_tie_is_not_where_they_are_zero() -> None:
    report = gradcli.check_function(SegmentMaxima, {"index": [0, 2, 1, 2, 3]}, shapes={"x": (5,)}, constants=("index",))
    assert str(report.verdict) == "mismatch"
    assert "it is wrong only where entries of x tie" in said(report)


@pytest.mark.parametrize("function", [WrongEverywhere, Halved])
def test_a_gradient_that_is_wrong_wherever_it_tells(function: type) -> None:
    report = gradcli.check_function(function, {"x": torch.tensor([-0.3, 0.2, 0.5])})
    assert str(report.verdict) == "mismatch"
    assert "only where" not in said(report)


def test_another_choice_at_a_kink_is_not_what_is_wrong() -> None:
    report = gradcli.check_function(Capped, {"cap": [1.0]}, shapes={"x": (3,)})
    assert "the gradient of 'cap' is wrong" in said(report)
    assert "only where x" not in said(report)


def test_a_slow_function_is_not_run_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradcli.execution.custom.causes.regions.PATIENCE", 0.0)
    report = gradcli.check_function(WrongBelowZero, {"x": [-0.3, 0.2, 0.5]})
    assert str(report.verdict) == "mismatch"
    assert "only where" not in said(report)
