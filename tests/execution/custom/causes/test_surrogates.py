"""A backward that is not the derivative on purpose: what is said of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.errors import InputError
from gradcli.report.custom import CustomDetails
from gradcli.report.report import Report


class Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004 (PyTorch's signature)
        return torch.round(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:  # noqa: ARG004
        return g


class Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g / (1 + x.abs()) ** 2


class Step(Spike):
    """Calls what PyTorch has no derivative of."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.heaviside(x, torch.ones_like(x))


class Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:  # noqa: ARG004
        return -g


class Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return torch.relu(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:  # noqa: ARG004
        return g


@pytest.mark.parametrize("function", [Rounded, Spike, Step])
@pytest.mark.parametrize("value", [0.7, [0.3, -1.2, 2.1]])
def test_a_forward_that_is_constant_around_the_point(function: type, value: Any) -> None:
    report = gradcli.check_function(function, {"x": torch.tensor(value)})
    assert str(report.verdict) == "mismatch"
    assert "forward is constant around this point: backward is a surrogate" in str(report["x"].note)
    assert "`--surrogate PROGRAM`" in str(report["x"].note)


def test_a_forward_that_is_constant_here_and_not_elsewhere_is_no_step() -> None:
    report = gradcli.check_function(Relu, {"x": [-0.5, -1.5]})
    assert str(report.verdict) == "mismatch"
    assert "surrogate" not in str(report["x"].note)


def test_a_reversed_gradient() -> None:
    note = str(gradcli.check_function(Reversal, {"x": [0.5, -1.5]})["x"].note)
    assert "the sign is wrong" in note
    assert "forward passes 'x' on as it is: where another gradient is meant, `--surrogate PROGRAM` says which" in note


class HardSign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.sign(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * (x.abs() <= 1)


def wrong_checks(report: Report) -> list[str]:
    assert isinstance(report.details, CustomDetails)
    return [check.name for check in report.details.checks or () if str(check.verdict) != "match"]


@pytest.mark.parametrize(
    ("function", "surrogate"),
    [(Rounded, "x"), (Spike, "x/(1 + abs(x))"), (Reversal, "-x"), (HardSign, "clamp(x, -1, 1)")],
)
def test_the_surrogate_that_is_meant(function: type, surrogate: str) -> None:
    for value in ([0.3, -1.2, 2.1], [[0.3]]):
        report = gradcli.check_function(function, {"x": value}, surrogate=surrogate)
        assert (str(report.verdict), wrong_checks(report)) == ("match", [])


@pytest.mark.parametrize(
    ("function", "surrogate", "check"),
    [
        (Rounded, "2*x", "finite differences"),
        (Reversal, "x", "finite differences"),
        (HardSign, "clamp(x, -2, 2)", "other points"),
        (HardSign, "x", "other points"),
    ],
)
def test_another_surrogate_is_not(function: type, surrogate: str, check: str) -> None:
    report = gradcli.check_function(function, {"x": [0.3, -0.2]}, surrogate=surrogate)
    assert str(report.verdict) == "mismatch"
    assert check in wrong_checks(report)
    assert "`--surrogate" not in str(report["x"].note)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"surrogate": "sum(x)"}, "the surrogate has shape scalar"),
        ({"surrogate": "x*q"}, "--surrogate reads 'q'"),
        ({"surrogate": "x", "reference": "x"}, "exclude each other"),
    ],
)
def test_what_is_no_surrogate(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        gradcli.check_function(Rounded, {"x": [0.3, -1.2]}, **options)
