"""Gradients that code asks for itself and computes with: penalties, inner steps, products with a Hessian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradcli
from gradcli.errors import ExecutionError
from gradcli.report.verdict import Verdict


def leaf(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()


class Square(torch.autograd.Function):
    """x squared; its backward is right, and reads x in a way that cuts the second derivative off."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 2 * x.detach() * g


class Penalty(nn.Module):
    """A critic with a gradient penalty, as in Gulrajani et al. (2017)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.critic = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.Sigmoid(), nn.Linear(4, 1))

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the critic's loss."""
        mixed = 0.3 * real + 0.7 * fake
        (g,) = torch.autograd.grad(self.critic(mixed).sum(), mixed, create_graph=True)
        penalty = ((g.norm(2, dim=1) - 1) ** 2).mean()
        loss: Tensor = 10 * penalty + self.critic(fake).mean() - self.critic(real).mean()
        return loss


def inner_step(w: Tensor, x: Tensor, t: Tensor) -> Tensor:
    (g,) = torch.autograd.grad(((x @ w - t) ** 2).mean(), w, create_graph=True)
    return ((x @ (w - 0.1 * g) - t).tanh() ** 2).mean()


def third(x: Tensor) -> Tensor:
    (first,) = torch.autograd.grad((x.sin() * x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
    return (second * second).sum()


def several(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    outputs, upstream = [(a * b.exp()).sum() * c.sum(), (a * a).sum()], [torch.tensor(2.0, dtype=torch.float64), None]
    ga, gb, gc = torch.autograd.grad(outputs, [a, b, c], grad_outputs=upstream, create_graph=True)
    return (ga * gb).sum() + gb.norm() + gc.sum()


def unused(a: Tensor, b: Tensor) -> Tensor:
    ga, gb = torch.autograd.grad((a**3).sum(), [a, b], create_graph=True, allow_unused=True)
    assert gb is None
    return (ga * b).sum()


def written(a: Tensor, b: Tensor) -> Tensor:
    h = (a * b).clone()
    h.mul_(2)
    h[0] = a[1] * a[0]
    (g,) = torch.autograd.grad((h**2).sum(), a, create_graph=True)
    return (g * b).sum()


def normalised(x: Tensor, w: Tensor) -> Tensor:
    weights = torch.softmax(torch.nn.functional.layer_norm(x @ w, (4,)), -1)
    (g,) = torch.autograd.grad((weights * weights).sum(), x, create_graph=True)
    return (g**2).sum()


FUNCTIONS: list[tuple[Callable[..., Tensor], dict[str, tuple[int, ...]]]] = [
    (inner_step, {"w": (3,), "x": (4, 3), "t": (4,)}),
    (third, {"x": (3,)}),
    (several, {"a": (3,), "b": (3,), "c": (2,)}),
    (unused, {"a": (3,), "b": (3,)}),
    (written, {"a": (3,), "b": (3,)}),
    (normalised, {"x": (2, 3), "w": (3, 4)}),
]


@pytest.mark.parametrize(("function", "shapes"), FUNCTIONS, ids=[function.__name__ for function, _ in FUNCTIONS])
def test_a_gradient_of_a_gradient_agrees_with_every_witness(
    function: Callable[..., Tensor], shapes: dict[str, tuple[int, ...]]
) -> None:
    inputs = {name: leaf(*shape, seed=place) for place, (name, shape) in enumerate(shapes.items())}
    report = gradcli.check(function, inputs)
    assert report.verdict is Verdict.MATCH
    assert all(report[name].witnesses["finite-difference"].verdict is Verdict.MATCH for name in inputs)  # type: ignore[index]


def test_a_gradient_penalty_is_verified_in_every_parameter() -> None:
    module = Penalty().double()
    report = gradcli.check(module, {"real": leaf(4, 3), "fake": leaf(4, 3, seed=1).detach()})
    assert report.verdict is Verdict.MATCH
    assert {tensor.name for tensor in report.tensors if tensor.kind == "leaf"} > dict(module.named_parameters()).keys()


def test_the_value_of_a_second_derivative() -> None:
    def cubed(x: Tensor) -> Tensor:
        (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        return (g**2).sum()  # 9x⁴

    report = gradcli.check(cubed, {"x": torch.tensor([1.0, 2.0], dtype=torch.float64)})
    assert report["x"].symbolic.value.tolist() == [36.0, 288.0]  # type: ignore[union-attr]


def test_a_backward_that_cuts_off_the_second_derivative_is_found() -> None:
    def penalised(x: Tensor, w: Tensor) -> Tensor:
        (g,) = torch.autograd.grad(Square.apply(x * w).sum(), x, create_graph=True)
        return (g**2).sum()

    report = gradcli.check(penalised, {"x": leaf(3), "w": leaf(3, seed=1)})
    assert report["x"].verdict is report["w"].verdict is Verdict.MISMATCH
    assert report["x"].dissenter == "autograd"


def test_what_lies_within_is_not_compared_for_backwards_differ_in_what_they_read() -> None:
    def smooth(x: Tensor) -> Tensor:
        hidden = x.tanh()  # whose backward reads its result
        (g,) = torch.autograd.grad((hidden**3).sum(), x, create_graph=True)
        return (g**2).sum()

    report = gradcli.check(smooth, {"x": leaf(3)})
    assert report.verdict is Verdict.MATCH
    assert "hidden" not in {tensor.name for tensor in report.tensors}


def test_a_graph_that_goes_on_by_way_of_grad_is_refused() -> None:
    def kept(x: Tensor) -> Tensor:
        (x**3).sum().backward(create_graph=True)
        assert x.grad is not None
        return (x.grad**2).sum()

    with pytest.raises(
        ExecutionError, match=r"called inside, at .*: what it adds to `.grad` is not followed"
    ) as caught:
        gradcli.check(kept, {"x": leaf(3)})
    assert "torch.autograd.grad" in str(caught.value.hint)
