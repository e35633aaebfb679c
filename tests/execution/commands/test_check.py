"""`check` as a whole: points inside domains, what the witnesses come to together, and planted errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

import gradcli
from gradcli.engine import evaluate_program
from gradcli.report.check import CheckDetails
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
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
    assert isinstance(report.details, CheckDetails)
    assert [point.seed for point in report.details.points or ()] == [5, 6, 7]
    again = check("x**2", seed=6)
    assert isinstance(again.details, CheckDetails)
    assert again.details.points is None
    assert not torch.equal(again["x"].value, report["x"].value)


def test_a_point_is_the_same_in_every_dtype() -> None:
    wide, low = check("x**2 + y", (4,)), check("x**2 + y", (4,), dtype="bfloat16")
    assert torch.equal(wide["x"].value, low["x"].value.double())
    assert wide.verdict is low.verdict is Verdict.MATCH


@pytest.mark.parametrize("witnesses", [("symbolic",), ("finite-difference",), ("taylor",), None])
@pytest.mark.parametrize("factor", [1.0005, -1.0, 0.0])
def test_a_planted_error_is_autograds(
    witnesses: tuple[str, ...] | None, factor: float, plant: Callable[..., None]
) -> None:
    plant("exp", torch.exp, lambda gradient, _, result: gradient * result * factor)
    report = check("exp(x)*y", **({} if witnesses is None else {"witnesses": witnesses}))
    assert report["x"].verdict is report.verdict is Verdict.MISMATCH
    assert report["y"].verdict is Verdict.MATCH
    assert report["x"].dissenter == "autograd"


def test_a_wrong_definition_is_the_symbolic_derivatives_dissent(plant: Callable[..., None]) -> None:
    plant("sinh", torch.expm1)
    report = check("sinh(x)")
    assert report["x"].verdict is Verdict.MISMATCH
    assert report["x"].dissenter == "symbolic"


def test_a_forward_that_is_not_what_its_gradient_says_is_no_pass(plant: Callable[..., None]) -> None:
    plant("sin", lambda value: 2 * torch.sin(value), lambda gradient, value, _: gradient * torch.cos(value))
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


def test_an_upstream_gradient_is_drawn_where_pytorch_needs_one() -> None:
    report = gradcli.check("x*y", {"x": [1.0, 2.0], "y": [3.0, 4.0]})
    drawn = report.to_dict()["grad_output"]
    assert report.verdict is Verdict.MATCH
    assert len(set(drawn)) == 2
    assert report["x"].gradient.tolist() == [3 * drawn[0], 4 * drawn[1]]
    assert "grad_output" not in gradcli.check("(x*y).sum()", {"x": [1.0], "y": [3.0]}).to_dict()


def test_the_upstream_gradient_is_that_of_the_seed_and_not_a_leaf_again() -> None:
    settings = Settings(command="check", shapes={None: (3,)}, init="randn", formulas=False)
    first, again = (evaluate_program("x*1.0", settings) for _ in range(2))
    other = evaluate_program("x*1.0", dataclasses.replace(settings, seed=1))
    drawn = [report.to_dict()["grad_output"] for report in (first, again, other)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert first["x"].value.tolist() != drawn[0]


def test_a_claim_without_the_upstream_gradient_is_wrong() -> None:
    report = gradcli.check("x**2", {"x": [1.0, 2.0]}, claims={"x": "2*x"})
    assert report.verdict is Verdict.MISMATCH
    assert "g, the upstream gradient, is missing" in (report["x"].note or "")
    assert gradcli.check("x**2", {"x": [1.0, 2.0]}, claims={"x": "2*x*g"}).verdict is Verdict.MATCH


def test_other_commands_refuse_an_output_that_is_not_a_scalar() -> None:
    with pytest.raises(gradcli.GradcliError, match="grad can be implicitly created only for scalar outputs"):
        gradcli.evaluate("x*y", {"x": [1.0, 2.0], "y": [3.0, 4.0]})


def test_numerical_witnesses_that_take_too_long_are_left_out_and_the_rest_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from gradcli.execution.commands import check as command

    monkeypatch.setattr(command, "SHARE", 0.0)
    report = gradcli.check("y = x*x; y.sum()", {"x": [1.0, 2.0]})
    assert report.verdict is Verdict.MATCH
    assert all(tensor.witnesses == {} and "--leaves" in (tensor.note or "") for tensor in report.tensors)
    alone = gradcli.check("y = x*x; y.sum()", {"x": [1.0, 2.0]}, witnesses=["finite-difference"])
    assert alone.verdict is Verdict.UNVERIFIED


def test_what_pytorch_does_not_differentiate_by_may_jump_where_it_is_detached() -> None:
    """Points with zeros are looked at too, where sign(t) jumps; PyTorch has no derivative of this loss by target."""
    settings = Settings(command="check", shapes={"x": (2, 3), "t": (2, 3)})
    report = evaluate_program("F.soft_margin_loss(x, detach(sign(t)))", settings)
    assert report.verdict is Verdict.MATCH
