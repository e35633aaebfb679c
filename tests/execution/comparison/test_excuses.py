from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.execution.comparison import rounding
from gradcli.execution.comparison.rounding import FAR, FEW, RUNS, UNKNOWN_WIDTH, Noise
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect how many runs with other last bits each measurement makes."""
    found: list[int] = []
    measure = rounding.scattered

    def counted(*given: object, runs: int = RUNS, **named: object) -> object:
        found.append(runs)
        return measure(*given, runs=runs, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(rounding, "scattered", counted)
    return found


def test_a_gradient_that_is_plainly_wrong_sets_off_few_runs(plant: Callable[..., None], runs: list[int]) -> None:
    plant("exp", torch.exp, lambda gradient, _, result: gradient * result * 2)
    assert evaluate_program("exp(x)*y", Settings(values={"x": [1.0, 2.0]}, reduce="sum")).verdict is Verdict.MISMATCH
    assert sum(runs) == FEW


def test_an_ill_conditioned_gradient_is_measured_in_full(runs: list[int]) -> None:
    hilbert = [[1 / (i + j + 1) for j in range(10)] for i in range(10)]
    report = evaluate_program("inv(A).sum()", Settings(values={"A": hilbert}))
    assert report.verdict is Verdict.UNDECIDED
    assert {FEW, RUNS} <= set(runs)


def test_a_few_runs_say_what_all_might_come_to() -> None:
    value = torch.zeros(2, dtype=torch.float64)
    some = torch.tensor([[1e-9, 0.0], [-2e-9, 0.0]], dtype=torch.float64)
    error = Noise({"x": value}, {"x": some}, 1.0).condition_error("x")
    torch.testing.assert_close(error, torch.tensor([FAR * UNKNOWN_WIDTH * 2e-9, 0.0], dtype=torch.float64))
