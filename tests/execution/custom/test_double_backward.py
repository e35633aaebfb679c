"""What a double backward loses in silence, and by which tensor; what it refuses loudly is no mistake."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.report.custom import Check, CustomDetails
from gradcli.report.report import Report


class Norm(torch.autograd.Function):
    """Saves its result before an axis is dropped: the memory of the output, and no output."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        norm = (x * x).sum(-1, keepdim=True).sqrt()
        ctx.save_for_backward(x, norm)
        return norm.squeeze(-1)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, norm = ctx.saved_tensors
        return g.unsqueeze(-1) * x / norm


class Powers(torch.autograd.Function):
    """Saves the exponents, which are rightly constants, and one less a power, which is none."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        exponents = torch.arange(2, 5, dtype=x.dtype)
        lower = x[:, None] ** (exponents - 1)
        ctx.save_for_backward(exponents, lower)
        return lower * x[:, None]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        exponents, lower = ctx.saved_tensors
        return (g * exponents * lower).sum(-1)


def margins(s: Tensor) -> Tensor:
    """Return a loss that PyTorch differentiates once, and refuses to differentiate twice."""
    return torch.nn.functional.multi_margin_loss(s, torch.tensor([2, 0]))


class Margin(torch.autograd.Function):
    """Has a backward that can be differentiated, where autograd's own of forward cannot."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return margins(x**2)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * torch.func.grad(margins)(x.detach() ** 2) * 2 * x


class LostMargin(Margin):
    """The same, but for what it takes for a constant."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * torch.func.grad(margins)(x.detach() ** 2) * 2 * x.detach()


class Direction(torch.autograd.Function):
    """Has a part of its second derivative, which is not symmetric: autograd is not consistent with itself."""

    @staticmethod
    def forward(ctx: Any, v: Tensor) -> Tensor:
        norm = v.norm(dim=1, keepdim=True)
        ctx.save_for_backward(v, norm)
        return v / norm

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        v, norm = ctx.saved_tensors
        return (g - v * (g * v).sum(1, keepdim=True) / norm**2) / norm


class Accumulated(torch.autograd.Function):
    """Writes its gradient entry by entry into what autograd still needs for a second derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.prod()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        before = torch.ones(len(x) + 1, dtype=x.dtype)
        for place in range(len(x)):
            before[place + 1] = before[place] * x[place]
        after = torch.ones_like(before)
        for place in reversed(range(len(x))):
            after[place] = after[place + 1] * x[place]
        return g * before[:-1] * after[1:]


class CubeGradient(torch.autograd.Function):
    """The gradient 3gx² of a cube, whose own by x is 6gx."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(g, x)
        return 3 * g * x**2

    @staticmethod
    def backward(ctx: Any, gg: Tensor) -> Any:
        g, x = ctx.saved_tensors
        return gg * 3 * x**2, gg * g * 6 * x


class ForgetfulCubeGradient(CubeGradient):
    """The same without the factor g."""

    @staticmethod
    def backward(ctx: Any, gg: Tensor) -> Any:
        _, x = ctx.saved_tensors
        return gg * 3 * x**2, gg * 6 * x


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return CubeGradient.apply(g, x)


class ForgetfulCube(Cube):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return ForgetfulCubeGradient.apply(g, x)


def double_backward(report: Report) -> Check:
    assert isinstance(report.details, CustomDetails)
    return next(check for check in report.details.checks or () if check.name == "double backward")


@pytest.mark.parametrize(
    ("function", "shape", "saved"),
    [(Norm, (3, 2), (3, 1)), (Powers, (2,), (2, 3)), (Direction, (3, 4), (3, 1))],
)
def test_the_tensor_that_it_takes_for_a_constant_is_named(function: Any, shape: Any, saved: Any) -> None:
    (leaf,) = ("v",) if function is Direction else ("x",)
    report = gradcli.check_function(function, shapes={leaf: shape})
    check = double_backward(report)
    assert (report[leaf].verdict, check.verdict) == ("match", "mismatch")
    assert f"an intermediate result of shape {saved} that forward saves" in str(check.note)


def test_a_second_derivative_that_pytorch_refuses_is_no_mistake() -> None:
    x = torch.tensor([0.5, 2.0, -1.5], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(Accumulated.apply(x), x, create_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(gradient.sum(), x)
    report = gradcli.check_function(Accumulated, shapes={"x": (3,)})
    assert report.verdict == "match"
    assert "PyTorch refuses double backward" in str(double_backward(report).note)


def test_finite_differences_of_backward_tell_where_pytorch_has_no_second_derivative() -> None:
    right, wrong = (gradcli.check_function(one, shapes={"x": (2, 3)}) for one in (Margin, LostMargin))
    assert (right.verdict, double_backward(right).verdict) == ("match", "match")
    assert (wrong["x"].verdict, double_backward(wrong).verdict) == ("match", "mismatch")
    assert "by 'x'" in str(double_backward(wrong).note)


def test_another_function_whose_backward_is_wrong_is_named() -> None:
    right, wrong = (gradcli.check_function(one, shapes={"x": (3,)}) for one in (Cube, ForgetfulCube))
    assert right.verdict == "match"
    assert (wrong["x"].verdict, double_backward(wrong).verdict) == ("match", "mismatch")
    note = str(double_backward(wrong).note)
    assert "calls the Function 'ForgetfulCubeGradient', whose own backward is wrong" in note
    assert "detached" not in note
