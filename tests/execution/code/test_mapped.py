"""Code that maps a function over samples by `torch.vmap`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradcli
from gradcli.report.verdict import Verdict


def leaf(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()


class Half(torch.autograd.Function):
    """x squared, with half of its gradient."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x * x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:  # noqa: ARG004 (as PyTorch calls it)
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return x * g


class Rows(nn.Module):
    """Reads a parameter that it is not given inside of what it maps."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 2).double()

    def forward(self, x: Tensor) -> Tensor:
        return torch.vmap(lambda row: self.layer(row).softmax(-1))(x).square().sum()


def dot(x: Tensor, y: Tensor) -> Tensor:
    return torch.vmap(torch.dot)(x, y).tanh().sum()


def other_axes(x: Tensor, y: Tensor) -> Tensor:
    return torch.vmap(lambda a, b: a * b.sum(), in_dims=(1, None), out_dims=1)(x, y).square().sum()


def nested(x: Tensor, y: Tensor) -> Tensor:
    return torch.vmap(torch.vmap(lambda a, b: a * b.sin()))(x, y).sum()


def trees(x: Tensor, y: Tensor) -> Tensor:
    found = torch.vmap(lambda given: {"a": given["x"].exp(), "b": given["y"] * 2})({"x": x, "y": y})
    return (found["a"] * found["b"]).sum()


def in_chunks(x: Tensor, y: Tensor) -> Tensor:
    return torch.vmap(lambda a: (a**3).sum(), chunk_size=2)(x).sum() + y.sum()


def detached(x: Tensor, y: Tensor) -> Tensor:
    return torch.vmap(lambda a, b: a * b.detach())(x, y).sum()


def dropped(x: Tensor, y: Tensor) -> Tensor:
    first = torch.vmap(lambda row: torch.nn.functional.dropout(row, 0.5), randomness="same")(x)
    return (torch.nn.functional.dropout(first * y, 0.5) ** 2).sum()


@pytest.mark.parametrize("function", [dot, other_axes, nested, trees, in_chunks, detached, dropped])
def test_what_is_mapped_is_followed(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    report = gradcli.check(function, {"x": leaf(3, 3), "y": leaf(3, 3, seed=1)}, witnesses=["symbolic"])
    assert report.verdict is Verdict.MATCH


def test_a_parameter_that_is_read_inside() -> None:
    module = Rows()
    report = gradcli.check(module, {"x": leaf(4, 3)})
    assert report.verdict is Verdict.MATCH
    module(leaf(4, 3)).backward()
    assert module.layer.weight.grad is not None
    torch.testing.assert_close(report["layer.weight"].symbolic.value, module.layer.weight.grad)  # type: ignore[union-attr]


def test_a_wrong_function_inside_is_found() -> None:
    report = gradcli.check(lambda x: torch.vmap(Half.apply)(x).sum(), {"x": leaf(4, 3)})
    assert report["x"].verdict is Verdict.MISMATCH
    assert report["x"].dissenter == "autograd"


def test_a_transform_of_another_kind_is_undecided() -> None:
    def along(x: Tensor) -> Tensor:
        output, slope = torch.func.linearize(lambda a: a**3, x)
        return slope(torch.ones_like(x)).sum() + output.sum()

    report = gradcli.check(along, {"x": leaf(3)})
    assert report.verdict is Verdict.UNDECIDED


def test_a_batch_without_samples_has_no_gradient() -> None:
    def code(x: Tensor) -> Tensor:
        return torch.vmap(lambda row: row.sin() * row)(x[:0]).sum() + x.square().sum()

    report = gradcli.evaluate(code, {"x": leaf(2, 3)})
    assert report.verdict is Verdict.MATCH
    torch.testing.assert_close(report["x"].symbolic.value, 2 * leaf(2, 3).detach())
