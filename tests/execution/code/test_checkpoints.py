"""Checkpoints, whose backward computes forward once more: detached and frozen parts inside are constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

import gradcli
from gradcli.report.verdict import Verdict


def leaf(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()


def detached(a: Tensor, b: Tensor) -> Tensor:
    return a * b.detach() + a.sin()


def without_autograd(a: Tensor, b: Tensor) -> Tensor:
    with torch.no_grad():
        c = b * 2
    return a * c + b


def dropped(a: Tensor, b: Tensor) -> Tensor:
    return torch.nn.functional.dropout(a, 0.5) * b


@pytest.mark.parametrize("block", [detached, without_autograd, dropped])
@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpoint_has_the_gradient_of_what_it_computes(
    block: Callable[[Tensor, Tensor], Tensor], reentrant: bool
) -> None:
    def f(x: Tensor, y: Tensor) -> Tensor:
        return (checkpoint(block, x * 2, y, use_reentrant=reentrant) ** 2).sum() + y.sum()  # type: ignore[no-any-return]

    def plain(x: Tensor, y: Tensor) -> Tensor:
        torch.manual_seed(0)  # as every run under gradcli does
        return (block(x * 2, y) ** 2).sum() + y.sum()

    inputs = {"x": leaf(3), "y": leaf(3, seed=1)}
    report = gradcli.check(f, inputs)
    assert report.verdict is Verdict.MATCH
    right = torch.autograd.grad(plain(*inputs.values()), list(inputs.values()))
    for name, gradient in zip(inputs, right, strict=True):
        torch.testing.assert_close(report[name].symbolic.value, gradient)  # type: ignore[union-attr]


@pytest.mark.parametrize("reentrant", [True, False])
def test_random_numbers_that_are_drawn_after_a_checkpoint_are_the_same_each_time(reentrant: bool) -> None:
    def f(x: Tensor, y: Tensor) -> Tensor:
        inside = checkpoint(dropped, x, y, use_reentrant=reentrant)
        return (torch.nn.functional.dropout(inside + x, 0.5) ** 2).sum()

    assert gradcli.check(f, {"x": leaf(8), "y": leaf(8, seed=1)}).verdict is Verdict.MATCH


def cube(factor: float) -> type[torch.autograd.Function]:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * x.square()

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return factor * g * x.square()

    return Cube


@pytest.mark.parametrize("factor", [3.0, 2.0])
@pytest.mark.parametrize("reentrant", [True, False])
def test_a_function_in_a_checkpoint_is_judged_by_itself(factor: float, reentrant: bool) -> None:
    function = cube(factor)

    def f(x: Tensor) -> Tensor:
        return checkpoint(lambda t: function.apply(t.sin()), x * 2, use_reentrant=reentrant).sum()  # type: ignore[no-any-return]

    report = gradcli.check(f, {"x": leaf(3)}, witnesses="symbolic")
    x = leaf(3)
    right = torch.autograd.grad((2 * x).sin().pow(3).sum(), x)[0]
    torch.testing.assert_close(report["x"].symbolic.value, right)  # type: ignore[union-attr]
    assert report.verdict is (Verdict.MATCH if factor == 3.0 else Verdict.MISMATCH)
    assert ("the backward of Cube" in (report["x"].note or "")) == (factor != 3.0)


def test_what_is_saved_on_the_cpu_is_what_the_code_saves() -> None:
    seen: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        seen.append(tensor.numel())
        return tensor

    def f(x: Tensor) -> Tensor:
        seen.clear()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            return cube(3.0).apply(x).sum()  # type: ignore[no-any-return]

    assert gradcli.check(f, {"x": leaf(3)}, witnesses="symbolic").verdict is Verdict.MATCH
    assert seen == [3]
