"""The Python API: what its arguments may be, and what its reports say of themselves."""

from __future__ import annotations

import pytest
import torch

import gradcli
from gradcli.report.report import Output, Report
from gradcli.report.verdict import Verdict


class Cube(torch.autograd.Function):
    """x**3 with the wrong factor where `factor` is not 3."""

    factor = 3

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, g: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return Cube.factor * x * x * g


def report_of(verdict: Verdict) -> Report:
    output = Output("x", (), torch.tensor(1.0))
    return Report("0", "2", "check", "x", "float64", "cpu", 0, output, (), verdict)


@pytest.mark.parametrize("verdict", Verdict)
def test_a_report_is_true_if_it_passed(verdict: Verdict) -> None:
    assert bool(report_of(verdict)) is (verdict in {Verdict.MATCH, Verdict.SUBGRADIENT})


def test_what_passes_and_what_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gradcli.check("x**3", {"x": 2.0}, claims={"x": "3*x**2"})
    assert not gradcli.check("x**3", {"x": 2.0}, claims={"x": "2*x**2"})
    assert gradcli.check_function(Cube, {"x": torch.tensor([2.0, -1.0])})
    monkeypatch.setattr(Cube, "factor", 2)
    assert not gradcli.check_function(Cube, {"x": torch.tensor([2.0, -1.0])})


@pytest.mark.parametrize("vector", [object(), [[1.0], [1.0, 2.0]], {"x": 1.0}])
def test_what_is_no_vector_is_refused(vector: object) -> None:
    with pytest.raises(gradcli.GradcliError, match="grad-output"):
        gradcli.evaluate("x*x", {"x": [1.0, 2.0]}, grad_output=vector)


def test_one_name_stands_for_itself() -> None:
    inputs = {"ab": 2.0, "cd": 5.0}
    report = gradcli.evaluate("ab*cd", inputs, wrt="ab", constants="cd")
    assert [tensor.name for tensor in report.tensors if tensor.gradient is not None] == ["ab"]
    assert report["ab"].gradient == 5.0
    assert gradcli.check("ab*cd", inputs, witnesses="taylor")["ab"].witnesses.keys() == {"taylor"}
    assert gradcli.check_function(Cube, shapes={"x": [2, 2]})["x"].shape == (2, 2)
