"""A Function in a lower dtype is looked at in double precision too: factors that its own tolerance hides, by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.execution.custom.checks.other_dtype import tolerance_in
from gradcli.report.custom import CustomDetails
from gradcli.report.verdict import Verdict


class Sigmoid(torch.autograd.Function):
    factor = 1.0
    inner: torch.dtype | None = None

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.sigmoid(x)
        ctx.save_for_backward(y)
        return y

    @classmethod
    def backward(cls, ctx: Any, g: Tensor) -> Tensor:  # type: ignore[override]
        (y,) = ctx.saved_tensors
        gradient: Tensor = cls.factor * g * y * (1 - y)
        return gradient if cls.inner is None else gradient.to(cls.inner).to(g.dtype)


class ThroughHalf(torch.autograd.Function):
    """Computes in half precision; its backward has the entries before they were rounded."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x.half() * x.half()).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return 2 * x * g


class Root(torch.autograd.Function):
    """The y of y³ + y = x, by halving: what forward decides, autograd of its body takes for constant, and gives 0."""

    added = 1.0

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        low, high = torch.full_like(x, -10), torch.full_like(x, 10)
        for _ in range(60):
            middle = (low + high) / 2
            is_low = middle**3 + middle < x
            low, high = torch.where(is_low, middle, low), torch.where(is_low, high, middle)
        y = (low + high) / 2
        ctx.save_for_backward(y)
        return y

    @classmethod
    def backward(cls, ctx: Any, g: Tensor) -> Tensor:  # type: ignore[override]
        (y,) = ctx.saved_tensors
        gradient: Tensor = g / (3 * y * y + cls.added)
        return gradient


class OneAtZero(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.relu(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return g * (x >= 0)


def with_factor(number: float) -> type[torch.autograd.Function]:
    return type("Scaled", (Sigmoid,), {"factor": number})


def said(function: type[torch.autograd.Function], dtype: Any) -> tuple[Verdict, dict[str, Verdict]]:
    report = gradcli.check_function(function, shapes={"x": (4,)}, dtype=dtype)
    assert isinstance(report.details, CustomDetails)
    return report.verdict, {check.name: check.verdict for check in report.details.checks or ()}


@pytest.mark.parametrize(("dtype", "factor"), [("bfloat16", 1.1), ("bfloat16", 0.9), ("float16", 1.01)])
def test_a_factor_that_the_dtype_would_hide_is_found(dtype: str, factor: float) -> None:
    verdict, checks = said(with_factor(factor), dtype)
    assert verdict is Verdict.MISMATCH
    assert checks["in float64"] is Verdict.MISMATCH


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_a_right_backward_is_right_in_any_dtype(dtype: str) -> None:
    verdict, checks = said(Sigmoid, dtype)
    assert verdict is Verdict.MATCH
    assert checks["in float64"] is Verdict.MATCH


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_backward_may_cast_to_the_dtype_that_it_is_for(dtype: str) -> None:
    function = type("Cast", (Sigmoid,), {"inner": getattr(torch, dtype)})
    verdict, checks = said(function, dtype)
    assert verdict is Verdict.MATCH
    assert checks["in float64"] is Verdict.MATCH


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_where_forward_casts_to_a_lower_dtype_that_one_counts(dtype: str) -> None:
    verdict, checks = said(ThroughHalf, dtype)
    assert verdict is Verdict.MATCH
    assert checks["in float32" if dtype == "float64" else "in float64"] is Verdict.MATCH


def test_in_a_lower_dtype_its_own_tolerance_counts() -> None:
    """The unit in the last place of bfloat16 is 2^-7; what is allowed is two of them, no more of small ones."""
    assert tolerance_in("float64", "float32").relative == 1e-5
    assert tolerance_in("bfloat16", "float64").relative == 2 * 2.0**-7
    assert tolerance_in("bfloat16", "float64").least(1e-3) < 2e-5


LOWER = ["float64", "float32", "bfloat16", "float16"]


@pytest.mark.parametrize("dtype", LOWER)
def test_a_body_that_misleads_autograd_does_so_in_any_dtype(dtype: Any) -> None:
    report = gradcli.check_function(Root, {"x": [1.0, 2.0, -3.0]}, dtype=dtype)
    assert report.verdict is Verdict.UNDECIDED
    assert "agree with backward, and not with autograd of its body" in (report["x"].note or "")


@pytest.mark.parametrize("dtype", LOWER)
def test_where_both_are_denied_no_derivative_is_named(dtype: Any) -> None:
    wrong = type("Wrong", (Root,), {"added": 3.0})
    report = gradcli.check_function(wrong, {"x": [1.0, 2.0, -3.0]}, dtype=dtype)
    assert report.verdict is Verdict.MISMATCH
    assert (report["x"].note or "").startswith("finite differences of forward agree neither with backward nor")


@pytest.mark.parametrize("dtype", LOWER)
def test_a_choice_at_a_kink_is_one_in_any_dtype(dtype: Any) -> None:
    assert gradcli.check_function(OneAtZero, {"x": [0.0, 1.0, -1.0]}, dtype=dtype)["x"].verdict is Verdict.SUBGRADIENT
