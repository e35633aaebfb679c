"""50 digits settle mismatches between numbers; NaN and what no float holds are left to the others."""

from __future__ import annotations

from typing import Any

import pytest

from gradcli.engine import evaluate_program
from gradcli.settings import Settings


@pytest.mark.parametrize(
    ("program", "values"),
    [
        ("a**b", {"a": 0.0, "b": 0.0}),
        ("(a**b).sum()", {"a": [0.0, 1.0], "b": [0.0, 2.0]}),
        ("atan2(b, a).sum()", {"a": [1e-200, 0.0], "b": [1e-200, 0.0]}),
        ("atan2(b, a)", {"a": 1e-320, "b": 0.0}),
        ("F.hardsigmoid(a/b).sum()", {"a": [0.0, 1.0], "b": [0.0, 1.0]}),
    ],
)
def test_a_mismatch_beside_a_nan_is_a_report(program: str, values: dict[str, Any]) -> None:
    """The derivative of atan2 by b at (1e-320, 0) is 1e320, which no float holds."""
    report = evaluate_program(program, Settings(command="check", values=values, formulas=False))
    assert report.verdict is not None


def test_an_operand_that_forward_has_lost_is_named_with_how_far_off_autograd_is() -> None:
    """PyTorch's norm of (3e-200, 4e-200) underflows to 0, and is 5e-200: the slope of its square is 1e-199."""
    settings = Settings(command="check", values={"x": [3e-200, 4e-200]}, formulas=False)
    found = evaluate_program("norm(x)**2", settings)["norm(x)"]
    assert float(found.gradient) == 0.0
    assert found.dissenter == "autograd"
    assert "autograd is off by 1.0e-199, because 'norm(x)' is 0 in PyTorch and 5e-200 by definition" in str(found.note)
