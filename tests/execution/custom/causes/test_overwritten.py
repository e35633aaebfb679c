"""A Function whose forward overwrites what it has saved: named where that makes the gradient wrong, and only there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.report.custom import CustomDetails
from gradcli.report.report import Report

BACKWARD_READS = "and then changes it in place: backward reads the new value"


class Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        x.mul_(torch.sigmoid(x))
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return g * (s + x * s * (1 - s))


class SavedTooLate(Gate):
    """In the newer style what is saved is saved after forward has run."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        x.mul_(torch.sigmoid(x))
        return x

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG004 (PyTorch's signature)
        ctx.save_for_backward(inputs[0])
        ctx.mark_dirty(inputs[0])


class ExpPlusOne(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.exp()
        ctx.save_for_backward(y)
        y += 1
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return g * y


class ExpPlusOneRight(ExpPlusOne):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return g * (y - 1)


class ReluInPlace(torch.autograd.Function):
    """The sign is that of the input and of the output alike."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.mark_dirty(x)
        return x.clamp_(min=0)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * (x > 0)


class WrongAnyway(ExpPlusOne):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return 3 * g * y


def said(report: Report) -> str:
    assert isinstance(report.details, CustomDetails)
    return "; ".join(item.note for item in (*report.tensors, *(report.details.checks or ())) if item.note)


def verdict_on_saved(report: Report) -> str:
    assert isinstance(report.details, CustomDetails)
    return next(check.verdict for check in report.details.checks or () if check.name == "saved tensors")


@pytest.mark.parametrize(
    ("function", "what"), [(Gate, "the input 'x'"), (SavedTooLate, "the input 'x'"), (ExpPlusOne, "output 0")]
)
def test_what_is_overwritten_is_the_cause(function: Any, what: str) -> None:
    report = gradcli.check_function(function, shapes={"x": (3,)})
    assert (report.verdict, verdict_on_saved(report)) == ("mismatch", "mismatch")
    assert f"forward saves {what} {BACKWARD_READS}" in (report["x"].note or "")
    assert f"forward saves {what} {BACKWARD_READS}" in said(report)


@pytest.mark.parametrize("function", [ExpPlusOneRight, ReluInPlace])
def test_a_backward_that_reckons_with_it_is_right(function: Any) -> None:
    report = gradcli.check_function(function, {"x": torch.tensor([-1.25, 0.5, 2.0])})
    assert (report.verdict, verdict_on_saved(report)) == ("match", "match")


def test_it_is_named_in_single_precision_too() -> None:
    report = gradcli.check_function(Gate, {"x": torch.tensor([-1.25, 0.3, 1.7])}, dtype="float32")
    assert verdict_on_saved(report) == "mismatch"


def test_a_gradient_that_is_wrong_with_what_was_saved_too_has_another_cause() -> None:
    report = gradcli.check_function(WrongAnyway, shapes={"x": (3,)})
    assert report.verdict == "mismatch"
    assert BACKWARD_READS not in said(report)
