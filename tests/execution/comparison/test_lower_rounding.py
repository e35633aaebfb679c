"""Gradients that cancel in a lower dtype: what rounding leaves is not a mismatch, and what is wrong stays one."""

from __future__ import annotations

from typing import Any

import pytest

from gradcli.engine import evaluate_program
from gradcli.execution.autograd import functional
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
