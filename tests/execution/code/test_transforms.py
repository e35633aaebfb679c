"""`torch.func`'s transforms inside of code: the symbolic gradient through them is autograd's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, vjp, vmap

import gradcli


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def with_aux(x: Tensor) -> Tensor:
    slope, doubled = grad(lambda y: (y.sin().sum(), y * 2), has_aux=True)(x)
    return (slope * doubled).sum()


def of_two(x: Tensor, y: Tensor) -> Tensor:
    first, second = grad(lambda a, b: (a * a * b).sum(), argnums=(0, 1))(x, y)
    return (first * second).sum()


def pushed(x: Tensor, t: Tensor) -> Tensor:
    out, tangent = jvp(lambda y: y.sin() * y, (x,), (t,))
    return (out * tangent).sum()


def pulled(x: Tensor, v: Tensor) -> Tensor:
    out, pull = vjp(lambda y: {"a": y.sin() * y, "b": y.exp()}, x)
    return (pull({"a": v, "b": out["a"]})[0] * out["b"]).sum()


def pulled_by_its_own(x: Tensor) -> Tensor:
    out, pull = vjp(torch.tanh, x)  # whose backward reads `out`: how much of the gradient arrives there is no matter
    return pull(out)[0].square().sum()


def per_sample(w: Tensor, x: Tensor) -> Tensor:
    return vmap(grad(lambda w, x: (x @ w).tanh() ** 2), in_dims=(None, 0))(w, x).norm(dim=1).sum()


def by_a_constant(x: Tensor) -> Tensor:
    return grad(lambda c: (c * x).sin().sum())(torch.ones(3, dtype=torch.float64)).sum()


FUNCTIONS: list[tuple[Callable[..., Tensor], list[Tensor]]] = [
    (with_aux, [drawn(3)]),
    (pulled_by_its_own, [drawn(3)]),
    (of_two, [drawn(3), drawn(3).cos()]),
    (pushed, [drawn(3), drawn(3).cos()]),
    (pulled, [drawn(3), drawn(3).cos()]),
    (per_sample, [drawn(2), drawn(3, 2)]),
    (by_a_constant, [drawn(3)]),
    (lambda x: jacrev(lambda y: y.outer(y).exp())(x).sin().sum(), [drawn(2)]),
    (lambda x: jacfwd(lambda y: y.outer(y).exp())(x).sin().sum(), [drawn(2)]),
    (lambda x: hessian(lambda y: (y**4).sum())(x).sin().sum(), [drawn(2)]),
]


@pytest.mark.parametrize(("function", "inputs"), FUNCTIONS, ids=map(str, range(len(FUNCTIONS))))
def test_a_transform_is_differentiated(function: Callable[..., Tensor], inputs: list[Tensor]) -> None:
    report = gradcli.check(function, inputs)
    assert report.verdict == "match", [(tensor.name, tensor.verdict, tensor.note) for tensor in report]
    leaves = [tensor for tensor in report if tensor.kind == "leaf"]
    assert len(leaves) == len(inputs)  # what was made up to follow it is none
    copies = [value.clone().requires_grad_() for value in inputs]
    expected = torch.autograd.grad(function(*copies), copies)
    for leaf, gradient in zip(leaves, expected, strict=True):
        assert torch.allclose(leaf.symbolic.value, gradient, rtol=1e-9), leaf.name


class Adapted(nn.Module):
    """One inner step of gradient descent on its own parameters, as functions of these."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        def loss(parameters: dict[str, Tensor]) -> Tensor:
            return ((functional_call(self.inner, parameters, (x,)) - y) ** 2).mean()

        own = dict(self.inner.named_parameters())
        slopes, before = grad_and_value(loss)(own)
        return loss({name: value - 0.1 * slopes[name] for name, value in own.items()}) + before


class Residual(nn.Module):
    """The residual of a differential equation at points that are constants."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))

    def forward(self, t: Tensor) -> Tensor:
        def solution(point: Tensor) -> Tensor:
            return self.net(point).squeeze()

        slopes, curvature = vmap(grad(solution))(t), vmap(hessian(solution))(t)
        return (slopes.sum(-1) + curvature.diagonal(dim1=-2, dim2=-1).sum(-1)).square().mean()


@pytest.mark.parametrize(
    ("module", "inputs", "options"),
    [(Adapted(), [drawn(4, 2), drawn(4, 1)], {}), (Residual(), [drawn(3, 2)], {"constants": ["t"]})],
    ids=["adapted", "residual"],
)
def test_modules_that_use_them(module: nn.Module, inputs: list[Tensor], options: dict[str, Any]) -> None:
    report = gradcli.check(module, inputs, **options)
    assert report.verdict == "match"
    own = module.double()
    own.zero_grad()
    own(*inputs).backward()
    for name, parameter in own.named_parameters():
        expected = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        assert torch.allclose(report[name].symbolic.value, expected, rtol=1e-9, atol=1e-12), name
