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
