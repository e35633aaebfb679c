"""A backward that is not the derivative on purpose: what is said of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli


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


@pytest.mark.parametrize("function", [Rounded, Spike])
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
