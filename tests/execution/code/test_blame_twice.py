"""A Function whose backward is right, but not its derivative, is named where second derivatives are wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradcli.engine import evaluate_code
from gradcli.report.report import Report
from gradcli.settings import Settings

X = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64)
WORDS = "gives the derivative, but differentiating it again does not, with respect to "


def swish(backward: Callable[..., Tensor]) -> type[torch.autograd.Function]:
    class Swish(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            s = torch.sigmoid(x)
            ctx.save_for_backward(x, s)
            return x * s

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return backward(g, *ctx.saved_tensors)

    return Swish


def slope(x: Tensor, s: Tensor) -> Tensor:
    return s + x * s * (1 - s)


BACKWARD = {
    "computed again": lambda g, x, _: g * slope(x, torch.sigmoid(x)),
    "saved": lambda g, x, s: g * slope(x, s),
    "detached": lambda g, x, _: g * slope(x.detach(), torch.sigmoid(x)),
    "without the upstream's graph": lambda g, x, _: g.detach() * slope(x, torch.sigmoid(x)),
}


def penalty(function: type[torch.autograd.Function]) -> Callable[[Tensor], Tensor]:
    def f(x: Tensor) -> Tensor:
        y = x * 2
        (g,) = torch.autograd.grad(function.apply(y).exp().sum(), x, create_graph=True)
        return (g**2).sum()

    return f


def plain(function: type[torch.autograd.Function]) -> Callable[[Tensor], Tensor]:
    def f(x: Tensor) -> Tensor:
        y = x * 2
        return function.apply(y).exp().sum()

    return f


def notes(report: Report) -> str:
    second = report.details.lifecycle.with_create_graph.second if report.command == "double-backward" else {}
    found = [*(tensor.note for tensor in report.tensors), *(one.note for one in second.values())]
    return "; ".join(filter(None, found))


@pytest.mark.parametrize("name", BACKWARD)
@pytest.mark.parametrize(
    ("command", "make"), [("check", penalty), ("eval", penalty), ("hessian", plain), ("double-backward", plain)]
)
def test_it_is_named_if_gradgradcheck_fails(command: str, make: Any, name: str) -> None:
    function = swish(BACKWARD[name])
    leaf = X.clone().requires_grad_()
    assert torch.autograd.gradcheck(function.apply, leaf)
    is_right = torch.autograd.gradgradcheck(function.apply, leaf, raise_exception=False)
    report = evaluate_code(make(function), Settings(command=command, formulas=False), [X])
    assert report.verdict == ("match" if is_right else "mismatch")
    by = "the upstream gradient" if "upstream" in name else "'y'"
    assert ("the backward of Swish" in notes(report)) == (WORDS + by in notes(report)) == (not is_right)
    assert "first differ at" not in notes(report)


def test_a_hook_is_named_beside_a_wrong_jacobian_and_hessian() -> None:
    def f(x: Tensor) -> Tensor:
        h = x * x
        h.register_hook(lambda g: 2 * g)
        return h.sin().sum()

    for command in ("jacobian", "hessian", "double-backward"):
        report = evaluate_code(f, Settings(command=command, formulas=False), [X])
        assert report.verdict == "mismatch"
        assert "a hook on 'h'" in notes(report), command


@pytest.mark.parametrize("none", [False, True])
def test_of_a_gradient_that_is_lost_the_derivative_is_not_said_to_be_0(none: bool) -> None:
    def backward(g: Tensor, x: Tensor, _: Tensor) -> Tensor:
        right = slope(x, torch.sigmoid(x))
        return g * (right.detach() if none else right)

    def f(x: Tensor) -> Tensor:
        return swish(backward).apply(x).sum()

    report = evaluate_code(f, Settings(command="double-backward", formulas=False), [X])
    assert report.verdict == ("mismatch" if none else "match")
    assert ("PyTorch gives None" in notes(report)) is none
    assert "gives None, and the derivative is 0" not in notes(report)
