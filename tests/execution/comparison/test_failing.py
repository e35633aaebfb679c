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


# PyTorch scales the exponential of [[A, G], [0, A]] by its norm: a large upstream gradient G rounds A away.
LESS = "PyTorch's backward is right there for a smaller upstream gradient"


def own_gradient(matrix: torch.Tensor, upstream: float) -> torch.Tensor:
    leaf = matrix.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(torch.matrix_exp(leaf), leaf, torch.full_like(matrix, upstream))
    return gradient / upstream


@pytest.mark.parametrize(("dtype", "upstream"), [("float32", 1e4), ("float64", 1e8)])
def test_digits_that_a_large_upstream_gradient_costs_are_told(dtype: str, upstream: float) -> None:
    matrix = torch.randn(8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 3
    own = matrix.to(getattr(torch, dtype))
    off = (own_gradient(own, upstream) - own_gradient(own, 1.0)).abs().max() / own_gradient(own, 1.0).abs().max()
    assert off > (1e-4 if dtype == "float32" else 1e-8)  # PyTorch alone
    report = gradcli.evaluate("matrix_exp(a)", {"a": matrix}, dtype=dtype, grad_output=upstream)  # type: ignore[arg-type]
    assert report["a"].verdict == "mismatch"
    assert LESS in (report["a"].note or "")
    assert gradcli.evaluate("matrix_exp(a)", {"a": matrix}, dtype=dtype, grad_output=1.0).verdict == "match"  # type: ignore[arg-type]


def test_what_is_wrong_for_any_upstream_gradient_is_not_said_to_be_right_for_less() -> None:
    """PyTorch's hardsigmoid has the slope 1/6 in single precision."""
    report = gradcli.evaluate("F.hardsigmoid(a)", {"a": 1.0})
    assert report["a"].verdict == "mismatch"
    assert LESS not in (report["a"].note or "")
