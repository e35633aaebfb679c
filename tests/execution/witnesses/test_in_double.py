"""Gradients in single precision that are 0 but for rounding: sums of squares of orthogonal factors are constants."""

from __future__ import annotations

import pytest
import torch

import gradcli
from gradcli.engine import evaluate_program
from gradcli.execution.witnesses import in_double
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

REDUCED = "U, S, Vh = torch.linalg.svd(A, full_matrices=False); "


def checked(program: str, *shape: int) -> gradcli.Report:
    return evaluate_program(
        program, Settings(command="check", shapes={"A": shape}, dtype="float32", seed=20, formulas=False)
    )


@pytest.mark.parametrize("program", ["(U**2).sum() + (Vh**2).sum()", "(U*U).sum()*(Vh*Vh).sum()"])
@pytest.mark.parametrize("shape", [(4, 3), (3, 4), (3, 3)])
def test_what_rounding_leaves_of_zero_is_no_error(program: str, shape: tuple[int, int]) -> None:
    report = checked(REDUCED + program, *shape)
    assert report["A"].gradient.abs().max() < 1e-5
    assert report["A"].verdict is Verdict.MATCH


def test_nor_is_it_without_a_symbolic_derivative() -> None:
    report = checked("U, S, Vh = torch.linalg.svd(A); (Vh**2).sum()", 3, 4)
    assert report["A"].verdict is Verdict.UNDECIDED
    assert "in float64 it agrees with finite differences" in str(report["A"].note)


def test_what_is_wrong_in_double_precision_too_stays_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_double, "double_gradient", lambda _, __: torch.full((3, 4), 1e-3))
    report = checked("U, S, Vh = torch.linalg.svd(A); (Vh**2).sum()", 3, 4)
    assert report["A"].verdict is Verdict.MISMATCH
