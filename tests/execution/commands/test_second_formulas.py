"""Formulas of second derivatives in `hessian` and `double-backward`: by hand, and left out where they are wrong."""

from __future__ import annotations

from typing import Any

import pytest

from gradcli.engine import evaluate_program
from gradcli.execution.formulas import second
from gradcli.render import FORMATS
from gradcli.render.style import Style
from gradcli.report.double_backward import DoubleBackwardDetails
from gradcli.report.hessian import HessianDetails
from gradcli.report.report import Report
from gradcli.settings import Settings

X, A = [0.5, -1.0, 2.0], [[1.0, 2.0, 0.5], [0.0, -1.0, 3.0], [2.0, 1.0, 1.0]]
HESSIANS = [
    ("x @ A @ x", {"x": X, "A": A}, {("x", "x"): "A + A.T"}),
    ("sum(x**3)", {"x": X}, {("x", "x"): "6*diag(x)"}),
    ("x @ A @ y", {"x": X, "A": A, "y": X}, {("x", "y"): "A", ("x", "x"): "0"}),
]
SUMS = [
    ("sum(x**3)", {"x": X}, "6*x"),
    ("x @ A @ x", {"x": X, "A": A}, "sum(A, dim=0) + sum(A, dim=1)"),
    ("sum(exp(x))", {"x": X}, "exp(x)"),
]


def shown(report: Report) -> str:
    return FORMATS["plain"].render(report, Style(width=120))


def hessian(program: str, inputs: dict[str, Any]) -> tuple[HessianDetails, Report]:
    report = evaluate_program(program, Settings(command="hessian", values=inputs))
    assert isinstance(report.details, HessianDetails)
    return report.details, report


@pytest.mark.parametrize(("program", "inputs", "wanted"), HESSIANS)
def test_a_hessian_has_the_formulas_of_its_blocks(
    program: str, inputs: dict[str, Any], wanted: dict[tuple[str, str], str]
) -> None:
    details, report = hessian(program, inputs)
    formulas = details.formulas
    assert formulas is not None
    assert {pair: formulas[pair[0]][pair[1]] for pair in wanted} == wanted
    assert all(text in shown(report) for text in wanted.values())


@pytest.mark.parametrize(("program", "inputs", "wanted"), SUMS)
def test_a_double_backward_has_the_formula_of_its_second_derivative(
    program: str, inputs: dict[str, Any], wanted: str
) -> None:
    report = evaluate_program(program, Settings(command="double-backward", values=inputs))
    assert isinstance(report.details, DoubleBackwardDetails)
    assert report.details.lifecycle.with_create_graph.second["x"].formula == wanted
    assert wanted in shown(report)


def test_a_formula_that_is_not_what_autograd_says_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    right = second.closed_forms

    def wrong(*arguments: Any, **options: Any) -> Any:
        return {
            target: second.replace(form, text="2*A", code="2*A", raw="2*A")
            for target, form in right(*arguments, **options).items()
        }

    monkeypatch.setattr(second, "closed_forms", wrong)
    assert hessian("x @ A @ x", {"x": X, "A": A})[0].formulas is None
