"""A Function's own jvp where PyTorch's backward of its forward cannot be differentiated, or not at 0, or is rounded."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.report.custom import CustomDetails
from gradcli.report.verdict import Verdict


class Saving(torch.autograd.Function):
    """Saves its input; what derives from it has the functions."""

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG004 (PyTorch's signature)
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)


class Hardsigmoid(Saving):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.nn.functional.hardsigmoid(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.where(x.abs() >= 3, 0, g / 6)

    @staticmethod
    def jvp(ctx: Any, dx: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.where(x.abs() >= 3, 0, dx / 6)


class Steeper(Hardsigmoid):
    @staticmethod
    def jvp(ctx: Any, dx: Tensor) -> Tensor:
        return Hardsigmoid.jvp(ctx, 1.000001 * dx)


def weights(x: Tensor) -> Tensor:
    """Return the derivative of each running sum by each entry."""
    return torch.softmax(torch.where(torch.ones(len(x), len(x)).tril() > 0, x[None], -torch.inf), 1)


class Running(Saving):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.logcumsumexp(x, 0)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g @ weights(*ctx.saved_tensors)

    @staticmethod
    def jvp(ctx: Any, dx: Tensor) -> Tensor:
        return weights(*ctx.saved_tensors) @ dx


class Turned(Running):
    @staticmethod
    def jvp(ctx: Any, dx: Tensor) -> Tensor:
        return dx @ weights(*ctx.saved_tensors)


def jvp_of(function: type, *shape: int) -> Verdict:
    details = gradcli.check_function(function, shapes={"x": shape}).details
    assert isinstance(details, CustomDetails)
    return next(check for check in details.checks if check.name == "jvp").verdict


@pytest.mark.parametrize(
    ("function", "shape", "verdict"),
    [
        (Hardsigmoid, (1,), Verdict.MATCH),
        (Steeper, (1,), Verdict.MISMATCH),
        (Running, (4,), Verdict.MATCH),
        (Turned, (4,), Verdict.MISMATCH),
    ],
)
def test_a_jvp_is_judged_whatever_pytorch_lacks(function: type, shape: tuple[int, ...], verdict: Verdict) -> None:
    assert jvp_of(function, *shape) is verdict
