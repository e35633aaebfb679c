"""Where the chain rule makes infinity times 0: the derivative that there is, and none where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.execution.custom.limits import with_limits
from gradcli.execution.forward.recording import record
from gradcli.report.verdict import Verdict

Formula = Callable[[Tensor], Tensor]


def function(forward: Formula, derivative: Formula) -> type:
    class Pointwise(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return g * derivative(x)

    return Pointwise


def product(x: Tensor) -> Tensor:
    return x * x.abs().sqrt()


def by_factors(x: Tensor) -> Tensor:
    return x.abs().sqrt() + x * x.sign() / (2 * x.abs().sqrt())


def in_one(x: Tensor) -> Tensor:
    return 1.5 * x.abs().sqrt()


def signed_square(x: Tensor) -> Tensor:
    return x * x.square().sqrt()


@pytest.mark.parametrize(
    ("forward", "derivative"), [(product, in_one), (signed_square, lambda x: 2 * x.abs())], ids=["x**1.5", "x**2"]
)
def test_a_number_is_right_where_the_chain_rule_makes_nan(forward: Formula, derivative: Formula) -> None:
    quotients = [float(forward(torch.tensor(t, dtype=torch.float64))) / t for t in (1e-8, -1e-8)]
    assert quotients == pytest.approx([0.0, 0.0], abs=2e-4)  # the derivative at 0, by hand
    report = gradcli.check_function(function(forward, derivative), {"x": torch.tensor([0.0, 1.0, -2.0])})
    assert report.verdict is Verdict.MATCH
    assert report["x"].gradient is not None
    assert report["x"].gradient[0] == 0


def test_a_backward_that_is_nan_there_is_found() -> None:
    at = gradcli.check_function(function(product, by_factors), {"x": torch.tensor([0.0, 1.0, -2.0])})
    assert at["x"].verdict is Verdict.UNDEFINED
    elsewhere = gradcli.check_function(function(product, by_factors), {"x": torch.tensor([0.5, 1.0, -2.0])})
    assert elsewhere.verdict is Verdict.MISMATCH
    points = next(check for check in elsewhere.details.checks if check.name == "other points")  # type: ignore[union-attr]
    assert "the gradient is NaN at [0], where the derivative is 0" in " ".join(note.words for note in points.notes)


def test_a_number_is_wrong_where_it_is_another() -> None:
    report = gradcli.check_function(
        function(product, lambda x: torch.where(x == 0, torch.ones_like(x), in_one(x))),
        {"x": torch.tensor([0.0, 1.0, -2.0])},
    )
    assert report.verdict is Verdict.MISMATCH


def saddle(x: Tensor) -> Tensor:
    """x*y/√(x² + y²), with slope 0 along both axes at 0, and none that fits along the diagonal."""
    return x[0] * x[1] / x.square().sum().sqrt().clamp_min(1e-300)


@pytest.mark.parametrize(("body", "is_there"), [(saddle, False), (lambda x: product(x).sum(), True)])
def test_slopes_along_the_axes_alone_are_no_derivative(body: Formula, is_there: bool) -> None:
    recording = record(lambda values: body(values["x"]), {"x": torch.zeros(2, dtype=torch.float64, requires_grad=True)})
    lost = {"x": torch.full((2,), torch.nan, dtype=torch.float64)}
    found = with_limits(recording, torch.ones((), dtype=torch.float64), lost)["x"]
    assert found.isnan().tolist() == [not is_there] * 2


class Orthonormal(torch.autograd.Function):
    """The Q of QR, and the solve that its backward is; NaN as a whole where a column of x is 0."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.linalg.qr(x)[0]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        q, r = torch.linalg.qr(x)
        m = -g.mT @ q
        m = g + q @ (m.tril(-1) + m.tril(-1).mT + m.diagonal().diag())
        found = torch.linalg.solve_ex(r, m.mT)[0].mT
        return torch.where(r.diagonal().detach().all(), found, torch.nan)


def test_nan_is_right_where_only_one_entry_has_a_derivative() -> None:
    x = torch.tensor([[-1.5, 1.4], [1.7, -0.8], [1.2, 1.1]], dtype=torch.float64)
    flat = torch.tensor([[0.0, 1.4], [0.0, -0.8], [0.0, 1.1]], dtype=torch.float64)
    step = torch.zeros_like(flat)
    step[1, 0] = 1e-9  # as short as it may be, Q turns by a right angle
    assert (torch.linalg.qr(flat + step)[0] - torch.linalg.qr(flat)[0]).abs().max() > 0.5
    report = gradcli.check_function(Orthonormal, {"x": x})
    points = next(check for check in report.details.checks if check.name == "other points")  # type: ignore[union-attr]
    assert points.verdict is Verdict.MATCH
