"""The adjoint identity: what it says of consistent and inconsistent autograd, and where it is silent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.execution.witnesses.consensus import consensus
from gradcli.execution.witnesses.numerical_verdict import NumericalVerdict
from gradcli.execution.witnesses.question import Question, witnesses
from gradcli.report.report import WitnessReport
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance


def said(function: Any, start: list[float], gradient: list[float], **more: bool) -> WitnessReport | None:
    point = {"x": torch.tensor(start, dtype=torch.float64)}
    question = Question(lambda v: function(v["x"]), point, "x", torch.tensor(1.0, dtype=torch.float64), **more)
    (witness,) = witnesses(["adjoint"]).values()
    return witness.check(question, torch.tensor(gradient, dtype=torch.float64), Tolerance.of("float64"))


class Silent(torch.autograd.Function):
    """A Function without a `jvp`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:  # noqa: ARG004
        return g


class Inconsistent(torch.autograd.Function):
    """A Function whose `jvp` is right and whose backward is twice that."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)
        return x**2

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return 4 * g * ctx.saved_tensors[0]

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        return 2 * tangent * ctx.saved_tensors[0]


def test_it_is_free_of_a_step_size() -> None:
    report = said(
        lambda x: (1e8 * (1e8 * x).sin()).sum(),
        [1.0, 2.0],
        [1e16 * torch.tensor(1e8 * v, dtype=torch.float64).cos().item() for v in (1.0, 2.0)],
    )
    assert report is not None
    assert report.verdict is Verdict.MATCH


@pytest.mark.parametrize("gradient", [[2.0, 4.0 + 1e-7], [2.0, -4.0], [0.0, 4.0]])
def test_a_gradient_that_is_another_is_denied(gradient: list[float]) -> None:
    report = said(lambda x: (x * x).sum(), [1.0, 2.0], gradient)
    assert report is not None
    assert report.verdict is Verdict.MISMATCH
    assert "not consistent with itself" in (report.note or "")


def test_rounding_is_no_inconsistency() -> None:
    # exp(x)·(1 - tanh x)² cancels; what is left of the gradient is rounding's.
    def function(x: Tensor) -> Tensor:
        return ((1 + 1e-15 * x) - 1).sum()

    x = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(function(x), x)
    report = said(function, [3.0], gradient.tolist())
    assert report is None or report.verdict is Verdict.MATCH


def test_it_is_silent_without_forward_mode() -> None:
    assert said(lambda x: Silent.apply(x).sum(), [3.0], [1.0]) is None


def test_it_is_silent_where_the_tangent_is_cut_off() -> None:
    assert said(lambda x: x.detach().sum(), [3.0], [1.0]) is None


def test_it_is_silent_at_a_kink_of_two_choices() -> None:
    assert said(lambda x: x.abs().sum(), [0.0], [0.5], bends=True) is None
    report = said(lambda x: x.abs().sum(), [0.0], [0.0], bends=True)
    assert report is not None
    assert report.verdict is Verdict.MATCH


def test_it_is_asked_by_check() -> None:
    report = gradcli.check("softmax(x, dim=-1).log().sum()", {"x": [1.0, 2.0, 4.0]})
    assert report["x"].witnesses["adjoint"].verdict is Verdict.MATCH
    assert report.verdict == "match"


def test_it_alone_is_no_pass() -> None:
    assert gradcli.check("x*x", {"x": 3.0}, witnesses="adjoint").verdict == "undecided"


def test_it_has_no_vote_beside_differences() -> None:
    match, wrong = WitnessReport(Verdict.MATCH, 0.0, 0.0, 1), WitnessReport(Verdict.MISMATCH, 1.0, 0.0)
    numerical = NumericalVerdict({"finite-difference": wrong, "adjoint": match}, frozenset())
    assert numerical.agreeing == []
    numerical = NumericalVerdict({"finite-difference": match, "adjoint": wrong}, frozenset())
    assert numerical.by(Verdict.MISMATCH) == []
    assert numerical.inconsistent == ["adjoint"]


def test_two_modes_that_differ_are_named() -> None:
    report = gradcli.check("x*x", {"x": 3.0})["x"]
    found = said(lambda x: Inconsistent.apply(x).sum(), [1.0], [4.0])
    assert found is not None
    assert found.verdict is Verdict.MISMATCH
    match = WitnessReport(Verdict.MATCH, 0.0, 0.0)
    numerical = NumericalVerdict({"finite-difference": match, "adjoint": found}, frozenset())
    together = consensus(report, numerical)
    assert (together.verdict, together.dissenter) == (Verdict.MATCH, "adjoint")
    assert "autograd is not consistent with itself" in (together.note or "")
    alone = consensus(replace(report, symbolic=None, verdict=None), NumericalVerdict({"adjoint": found}, frozenset()))
    assert (alone.verdict, alone.dissenter) == (Verdict.MISMATCH, "autograd")


def test_it_is_asked_of_a_function_of_the_users() -> None:
    report = gradcli.check_function(Inconsistent, {"x": torch.tensor([1.0, 2.0])})
    verdicts = {check.name: check.verdict for check in report.details.checks}
    assert verdicts["adjoint identity"] is Verdict.MISMATCH
