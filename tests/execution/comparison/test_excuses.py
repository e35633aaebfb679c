from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
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


def test_a_number_that_rounding_moves_is_not_said_to_be_the_derivative() -> None:
    """In exact arithmetic the slope by x[1] is 0 to 16 digits: what x + 1e8 is rounded to makes 5e-9 of it."""
    values = [0.1, 0.2, 0.3]
    with mpmath.workdps(60):
        exact = mpmath.mpf(values[1]) - mpmath.fsum(map(mpmath.mpf, values)) / 3
    assert abs(exact) < 1e-16
    found = evaluate_program("var(x + 1e8)", Settings(values={"x": values}, formulas=False))["x"]
    assert found.symbolic is not None
    assert abs(float(found.symbolic.value[1])) > 1e-9
    assert "the symbolic derivative, which rounding moves by as much, is" in str(found.note)
    plain = evaluate_program("norm(x)", Settings(values={"x": [3e-200, 4e-200]}, formulas=False))["x"]
    assert "the derivative is 0.8" in str(plain.note)
