"""`check` as a whole: points inside domains, what the witnesses come to together, and planted errors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.engine import evaluate_program
from gradcli.execution.forward import tracer
from gradcli.execution.reference import kinks
from gradcli.report.report import Report, Verdict
from gradcli.settings import Settings

EVERYWHERE = {"grad_output": 1.0}


def check(program: str, shape: tuple[int, ...] = (3,), **options: Any) -> Report:
    settings = Settings(command="check", shapes={None: shape}, grad_output=1.0, formulas=False, **options)
    return evaluate_program(program, settings)


@pytest.mark.parametrize(
    "program",
    ["log(x)", "sqrt(x*y)", "acos(x)", "log(1 - x**2)", "sqrt(x - 1/8)", "x**y", "lgamma(x)", "logdet(A @ A.T)"],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_point_inside_the_domain_is_drawn(program: str, seed: int) -> None:
    report = check(program, (3, 3), seed=seed)
    assert report.verdict is Verdict.MATCH
    assert bool(report.output.value.isfinite().all())
    for tensor in report.tensors:
        assert {witness.verdict for witness in (tensor.witnesses or {}).values()} == {Verdict.MATCH}


def test_points_are_numbered_by_their_seeds_and_the_worst_is_shown() -> None:
    report = check("x**2", points=3, seed=5)
    assert [point.seed for point in report.points or ()] == [5, 6, 7]
    again = check("x**2", seed=6)
    assert again.points is None
    assert not torch.equal(again["x"].value, report["x"].value)


def test_a_point_is_the_same_in_every_dtype() -> None:
    wide, low = check("x**2 + y", (4,)), check("x**2 + y", (4,), dtype="bfloat16")
    assert torch.equal(wide["x"].value, low["x"].value.double())
    assert wide.verdict is low.verdict is Verdict.MATCH


class Bent(torch.autograd.Function):
    """The exponential with a gradient that is off by a factor."""

    factor = 1.0

    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        context.save_for_backward(value.exp())
        return value.exp()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return gradient * context.saved_tensors[0] * Bent.factor


@pytest.mark.parametrize("witnesses", [("symbolic",), ("finite-difference",), ("taylor",), None])
@pytest.mark.parametrize("factor", [1.0005, -1.0, 0.0])
def test_a_planted_error_is_autograds(
    witnesses: tuple[str, ...] | None, factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = tracer.target_of
    bent = lambda op, call: Bent.apply if op.name == "exp" else original(op, call)  # noqa: E731
    for module in (tracer, kinks):
        monkeypatch.setattr(module, "target_of", bent)
    monkeypatch.setattr(Bent, "factor", factor)
    report = check("exp(x)*y", **({} if witnesses is None else {"witnesses": witnesses}))
    assert report["x"].verdict is report.verdict is Verdict.MISMATCH
    assert report["y"].verdict is Verdict.MATCH
    assert report["x"].dissenter == "autograd"


def test_a_wrong_definition_is_the_symbolic_derivatives_dissent(monkeypatch: pytest.MonkeyPatch) -> None:
    original = tracer.target_of
    monkeypatch.setattr(tracer, "target_of", lambda op, call: torch.expm1 if op.name == "sinh" else original(op, call))
    monkeypatch.setattr(
        "gradcli.execution.forward.replay.target_of",
        lambda op, call: torch.expm1 if op.name == "sinh" else original(op, call),
    )
    report = check("sinh(x)")
    assert report["x"].verdict is Verdict.MISMATCH
    assert report["x"].dissenter == "symbolic"


def test_a_forward_that_is_not_what_its_gradient_says_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    original = tracer.target_of
    doubled = lambda op, call: (lambda value: 2 * torch.sin(value)) if op.name == "sin" else original(op, call)  # noqa: E731
    monkeypatch.setattr("gradcli.execution.forward.replay.target_of", doubled)
    report = check("sin(x)")
    assert report["x"].verdict is Verdict.UNDECIDED
    assert report["x"].dissenter == "finite-difference"


@pytest.mark.parametrize(
    "program", ["x.detach()*x", "floor(8*x) + x", "where(x > 0, x**2, -x)", "sort(x).values*x", "x*(x > 0)", "abs(x)"]
)
def test_what_autograd_takes_for_constant_is_constant(program: str) -> None:
    report = check(program, (5,))
    assert report.verdict is Verdict.MATCH
    assert all(tensor.dissenter is None for tensor in report.tensors)


@pytest.mark.parametrize("program", ["linalg.cholesky(a @ a.T + eye(3))", "linalg.eigh(a + a.T)[0]"])
def test_a_symmetric_operand_is_moved_as_one(program: str) -> None:
    report = check(program, (3, 3))
    assert report.verdict is Verdict.MATCH
    assert all(tensor.dissenter is None for tensor in report.tensors)


def test_a_convention_of_pytorchs_is_named() -> None:
    report = check("F.embedding(tensor([2, 0, 1]), w, padding_idx=0)", (3, 2))
    assert report["w"].verdict is Verdict.MATCH
    assert "padding_idx" in (report["w"].note or "")


def test_a_tensor_without_entries_has_nothing_to_be_wrong() -> None:
    assert check("x.sum() + y.sum()", (0, 3)).verdict is Verdict.MATCH


def test_the_output_must_be_a_scalar_or_be_given_a_vector() -> None:
    with pytest.raises(gradcli.GradcliError, match="grad can be implicitly created only for scalar outputs"):
        gradcli.check("x*y", {"x": [1.0, 2.0], "y": [3.0, 4.0]})
