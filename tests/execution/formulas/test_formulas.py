"""Formulas in a report: written unless the settings leave them out, whichever command asks."""

from __future__ import annotations

from typing import Any

import pytest

from gradcli.engine import check_inline, evaluate_program
from gradcli.report.report import Report
from gradcli.report.trace import TraceDetails
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

COMMANDS: dict[str, dict[str, Any]] = {
    "eval": {},
    "grad": {"wrt": ("x",)},
    "check": {},
    "accumulate": {"times": 2},
    "trace": {},
    "custom": {"backwards": {"x": "2*x*g"}},
}


def report_of(command: str, **settings: Any) -> Report:
    run = check_inline if command == "custom" else evaluate_program
    return run("x**2", Settings(command=command, values={"x": 3.0}, **COMMANDS[command], **settings))  # type: ignore[arg-type]


def formulas(report: Report) -> list[str]:
    """Return every formula of a report: those of the gradients, and those of the local derivatives."""
    gradients = [tensor.symbolic.formula for tensor in report.tensors if tensor.symbolic]
    steps = report.details.trace if isinstance(report.details, TraceDetails) else ()
    local = [operand.local for step in steps for operand in step.operands]
    return [formula for formula in [*gradients, *local] if formula is not None]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_writes_formulas(command: str) -> None:
    written = formulas(report_of(command))
    assert any("2*x" in formula for formula in written), written


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_leaves_formulas_out_and_verifies_all_the_same(command: str) -> None:
    report = report_of(command, formulas=False)
    assert formulas(report) == []
    assert report.verdict is Verdict.MATCH
    assert report["x"].symbolic is not None
    assert float(report["x"].symbolic.value) == 6.0  # type: ignore[arg-type]
