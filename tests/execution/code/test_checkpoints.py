"""Checkpoints, whose backward computes forward once more: detached and frozen parts inside are constants."""

from __future__ import annotations

from collections.abc import Callable

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
