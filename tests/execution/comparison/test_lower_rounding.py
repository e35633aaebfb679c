"""Gradients that cancel in a lower dtype: what rounding leaves is not a mismatch, and what is wrong stays one."""

from __future__ import annotations

from typing import Any

import pytest

from gradcli.engine import evaluate_program
from gradcli.execution.autograd import functional
from gradcli.report.double_backward import DoubleBackwardDetails
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

SHAPES = {"x": (64, 2), "w": (2,), "b": (2,)}
NORMALISED = "F.batch_norm(x, None, None, w, b, training=True)"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_a_sum_that_cancels_is_no_mismatch(dtype: Any, seed: int) -> None:
    """The gradient by the weight is the sum of normalised entries, which is 0 but for rounding."""
    options: dict[str, Any] = {"shapes": SHAPES, "grad_output": "ones", "init": "randn", "formulas": False}
    report = evaluate_program(NORMALISED, Settings(dtype=dtype, seed=seed, **options))
    assert report["w"].verdict is Verdict.MATCH
    assert report.verdict is Verdict.MATCH


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_a_gradient_that_is_off_by_half_is_one(dtype: Any, plant: Any) -> None:
    plant("exp", lambda x: x.exp(), lambda gradient, _, result: gradient * result * 1.5)
    report = evaluate_program("exp(x).sum()", Settings(shapes={"x": (5,)}, init="randn", dtype=dtype, formulas=False))
    assert report["x"].verdict is Verdict.MISMATCH


def test_a_jacobian_that_is_off_in_the_fourth_digit_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    right = functional.jacobians
    monkeypatch.setattr(
        functional, "jacobians", lambda *given: {leaf: found * 1.0003 for leaf, found in right(*given).items()}
    )
    settings = Settings(command="jacobian", shapes={"x": (3,)}, init="randn", dtype="float32", formulas=False)
    assert evaluate_program("exp(x)", settings).verdict is Verdict.MISMATCH


GROUPS = "torch.native_group_norm(x, w, b, 2, 4, 3, 2, 1e-5)[0].sum()"
SLOPES = "a, b = gradient(x, dim=(1, 0), spacing=[y, z]); a*b"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize(("init", "seed"), [("uniform", 0), ("randn", 1)])
def test_second_derivatives_that_cancel_exactly_are_no_mismatch(dtype: Any, init: Any, seed: int) -> None:
    """The sum of normalised entries is constant, and PyTorch's second derivatives of it are what rounding leaves."""
    shapes = {"x": (2, 4, 3), "w": (4,), "b": (4,)}
    settings = Settings(command="hessian", shapes=shapes, init=init, seed=seed, dtype=dtype, formulas=False)
    assert evaluate_program(GROUPS, settings).verdict is Verdict.MATCH


def test_a_row_of_second_derivatives_that_cancels_is_no_mismatch() -> None:
    """The weights of a difference quotient sum to 0, and so do those of its derivative by all entries at once."""
    settings = Settings(
        command="double-backward",
        shapes={"x": (3, 4), "y": (4,), "z": (3,)},
        init="randn",
        seed=11,
        dtype="float16",
        grad_output="random",
    )
    report = evaluate_program(SLOPES, settings)
    assert isinstance(report.details, DoubleBackwardDetails)
    second = report.details.lifecycle.with_create_graph.second["x"]
    assert second.gradient is not None
    assert second.gradient.abs().max() > 0.1
    assert second.verdict is Verdict.MATCH


@pytest.mark.parametrize(("dtype", "wrong"), [("bfloat16", 1.2), ("float16", 1.03), ("float32", 1.0001)])
def test_a_hessian_that_is_off_is_one(dtype: Any, wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    right = functional.hessians

    def planted(*given: Any) -> Any:
        found, refusal = right(*given)
        return {pair: block * wrong for pair, block in found.items()}, refusal

    monkeypatch.setattr(functional, "hessians", planted)
    settings = Settings(command="hessian", shapes={"x": (3,)}, init="randn", dtype=dtype, formulas=False)
    assert evaluate_program("(exp(x)*x).sum()", settings).verdict is Verdict.MISMATCH
