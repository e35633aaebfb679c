"""Which call, and which line, a wrong gradient is said to come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import gradcli
from gradcli.engine import evaluate_program
from gradcli.execution.targets.loading import load_code
from gradcli.report.check import CheckDetails
from gradcli.report.custom import SourcePlace
from gradcli.report.notes import NoteKind
from gradcli.report.report import Report
from gradcli.settings import Settings

Plant = Callable[..., None]


# PyTorch gives `nextafter` of equal numbers the gradient of another function; the lines are counted: 4 calls it.
RESIDUAL = """import torch
def residual(x):
    h = 2 * x
    a = torch.nextafter(h, h.clone())
    return (h + a).sum() + h.sin().sum()
"""


def said(report: Report, name: str) -> str | tuple[int, ...] | None:
    return next(note.where for note in report[name].notes if note.kind is NoteKind.CALL)


@pytest.fixture
def plant_wrong_exp(plant: Plant) -> None:
    """Make the gradient of the exponential wrong."""
    plant("exp", torch.exp, lambda gradient, _, result: 1.1 * gradient * result)


@pytest.mark.usefixtures("plant_wrong_exp")
@pytest.mark.parametrize("command", ["eval", "check"])
@pytest.mark.parametrize(
    "program",
    [
        "h = 2*x; h + exp(h)",  # a residual connection: the sum and the branch read the same
        "h = 2*x; exp(h) + h",
        "h = 2*x; e = exp(h); h*3 + sin(e) + h*e",
        "h = 2*x; e = exp(h); relu(h) + e*e + h.sum()",
        "h = 2*x; s = h.sum(); e = exp(h); s + e + sin(h) + cos(h)",
    ],
)
def test_of_several_calls_that_read_a_value_the_wrong_one_is_named(program: str, command: str) -> None:
    report = evaluate_program(program, Settings(values={"x": [0.3, 0.7]}, grad_output="ones", command=command))
    assert said(report, "x") in {"exp(h)", "e"}
    assert said(report, "h") in {"exp(h)", "e"}


def test_of_several_lines_that_read_a_value_the_wrong_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.py").write_text(RESIDUAL, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    report = gradcli.check(load_code("m.py:residual"), {"x": torch.ones(3)})
    assert report.verdict == "mismatch"
    assert isinstance(report.details, CheckDetails)
    assert report.details.source == SourcePlace("m.py", 4)
