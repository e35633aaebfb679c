"""Formulas in a report: written unless the settings leave them out, whichever command asks."""

from __future__ import annotations

from typing import Any

import pytest

from gradcli.engine import check_inline, evaluate_program
from gradcli.execution.forward.domains import parse_example
from gradcli.ops.record import Kind
from gradcli.ops.table import OPS
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


OF_CONSTANTS = [op.examples[0] for op in OPS if op.kind is Kind.POINTWISE and op.examples and "=" in op.signature]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("example", OF_CONSTANTS)
def test_an_option_of_a_constant_s_op_has_its_default(example: str) -> None:
    program, shapes = parse_example(example)
    settings = Settings(shapes=dict(shapes), constants=tuple(shapes), reduce="sum")
    report = evaluate_program(f"where(({program}) > 0, 3*q, 2*q)", settings)
    assert report["q"].verdict is Verdict.MATCH


def test_the_default_stands_in_the_formula() -> None:
    settings = Settings(values={"x": 0.25, "y": [710.0, 1.0]}, constants=("y",), reduce="sum")
    report = evaluate_program("where(x > F.hardtanh(y), 3*x, 2*x)", settings)
    assert "hardtanh" not in report["x"].symbolic.formula
    assert "y" in report["x"].symbolic.formula
    assert report["x"].verdict is Verdict.MATCH
