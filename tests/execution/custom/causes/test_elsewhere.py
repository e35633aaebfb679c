"""A factor is named only where it holds for other upstream gradients and at other points."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.report.custom import CustomDetails
from gradcli.report.report import Report


class Gap(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, t: Tensor, m: Tensor) -> Tensor:
        ctx.save_for_backward(t, m)
        return (t - m) ** 2

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        t, m = ctx.saved_tensors
        return 2 * g * (t - m), (g * (t + m)).sum().reshape(1)


class HalfSquare(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x * x).sum()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 0.75 * g * x


class LineForSquare(HalfSquare):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * g * torch.ones_like(x)


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, t: Tensor, k: Tensor) -> Tensor:
        ctx.save_for_backward(k)
        return t * k

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (k,) = ctx.saved_tensors
        g *= k
        return g, None


def checks(report: Report) -> dict[str, str]:
    assert isinstance(report.details, CustomDetails)
    return {check.name: str(check.verdict) for check in report.details.checks or ()}


def test_a_gradient_of_one_entry_is_no_multiple_by_itself() -> None:
    report = gradcli.check_function(Gap, {"t": [1.0, 2.0, 4.0], "m": [0.5]})
    assert str(report.verdict) == "mismatch"
    assert "the right one times" not in str(report["m"].note)


@pytest.mark.parametrize("x", [torch.tensor(2.0), [2.0], [[2.0, 2.0]]])
def test_a_factor_that_holds_everywhere_is_named_for_equal_entries_too(x: Any) -> None:
    assert "the right one times 3/8" in str(gradcli.check_function(HalfSquare, {"x": x})["x"].note)


@pytest.mark.parametrize("x", [torch.tensor(2.0), [2.0, 2.0]])
def test_a_factor_that_holds_at_one_point_is_not_named(x: Any) -> None:
    assert "the right one times" not in str(gradcli.check_function(LineForSquare, {"x": x})["x"].note)


def test_a_grad_output_that_is_written_into_is_not_given_to_other_checks() -> None:
    report = gradcli.check_function(Scaled, {"t": [1.0, 2.0, 3.0], "k": [2.0, 3.0, 5.0]}, constants="k")
    assert report["t"].gradient is not None
    assert report["t"].gradient.tolist() == [2.0, 3.0, 5.0]
    assert isinstance(report.details, CustomDetails)
    (upstream,) = report.details.node.grad_outputs
    assert upstream is not None
    assert upstream.tolist() == [1.0, 1.0, 1.0]
    wrong = {name for name, verdict in checks(report).items() if verdict == "mismatch"}
    # A write into what `sum()` expands is refused by PyTorch itself.
    assert wrong == {"arguments unmodified", "non-contiguous tensors"}
