from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.execution.comparison import rounding
from gradcli.execution.comparison.rounding import CHANCE, FEWER, RUNS, UNKNOWN_WIDTH, Noise
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


def test_a_gradient_that_is_plainly_wrong_sets_off_one_run(plant: Callable[..., None], runs: list[int]) -> None:
    plant("exp", torch.exp, lambda gradient, _, result: gradient * result * 2)
    assert evaluate_program("exp(x)*y", Settings(values={"x": [1.0, 2.0]}, reduce="sum")).verdict is Verdict.MISMATCH
    assert sum(runs) == FEWER[0] == 1


def test_an_ill_conditioned_gradient_is_measured_in_full(runs: list[int]) -> None:
    hilbert = [[1 / (i + j + 1) for j in range(10)] for i in range(10)]
    report = evaluate_program("inv(A).sum()", Settings(values={"A": hilbert}))
    assert report.verdict is Verdict.UNDECIDED
    assert {*FEWER, RUNS} <= set(runs)


@pytest.mark.parametrize("count", FEWER)
def test_a_few_runs_say_what_all_might_come_to(count: int) -> None:
    value = torch.zeros(2, dtype=torch.float64)
    some = torch.tensor([[-2e-9, 0.0], [1e-9, 0.0]], dtype=torch.float64)[:count]
    error = Noise({"x": value}, {"x": some}, 1.0).condition_error("x")
    far = {1: 1 / CHANCE, 2: math.sqrt(1 / CHANCE)}[count]
    torch.testing.assert_close(error, torch.tensor([far * UNKNOWN_WIDTH * 2e-9, 0.0], dtype=torch.float64))
