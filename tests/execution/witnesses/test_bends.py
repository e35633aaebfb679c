"""Where only the symbolic derivative is NaN, by 0 times infinity, difference quotients of the program decide."""

from __future__ import annotations

from typing import Any

import pytest
from mpmath import diff, mpf

import gradcli
from gradcli.execution.witnesses import line


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
def test_a_gradient_beside_a_symbolic_nan_is_right_where_quotients_say_so(command: Any) -> None:
    """Of 0**0, 3**3 and 6**40 the median is the second, and depends on nothing else."""
    found = command("median(F.relu6(x)**(x*(x > 0)))", {"x": [0.0, 3.0, 40.0]})["x"]
    assert found.verdict == "match"
    assert float(found.gradient[1]) == pytest.approx(float(diff(lambda x: x**x, mpf(3))), rel=1e-12)
    assert "the symbolic derivative is NaN here" in str(found.note)


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize("program", ["sqrt(relu(x))", "relu(x)**x", "relu(x)**0.5", "norm(cat([x*0 + 1, x]), 0.5)"])
def test_a_slope_that_is_infinite_to_one_side_is_no_derivative(command: Any, program: str) -> None:
    found = command(program, {"x": [0.0]})["x"]
    assert found.verdict == "undefined"
    assert "between the one-sided derivatives" not in str(found.note)


def test_a_program_that_draws_is_evaluated_at_many_points_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under vmap, a random number is an error unless it is said that all points have the same."""
    alone: list[int] = []
    one = line._one
    monkeypatch.setattr(line, "_one", lambda change, vector: alone.append(1) or one(change, vector))
    text = "a = torch.randn(4, 30); w = torch.zeros(30, requires_grad=True); (relu(a*w) + a*w).sum()"
    found = gradcli.evaluate(text)["w"]
    assert found.verdict == "subgradient"
    assert 0 < len(alone) < 100  # 4,492 where each point is evaluated by itself
