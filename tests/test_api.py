"""The Python API: what its arguments may be, and what its reports and its help say of themselves."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import gradcli
from gradcli import api
from gradcli.engine import evaluate_program
from gradcli.render import FORMATS
from gradcli.render.style import Style
from gradcli.report.report import Output, Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


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


def test_a_report_shows_itself() -> None:
    report = gradcli.check("x**2 * y", {"x": 3.0}, witnesses="taylor")
    assert [tensor.name for tensor in report] == ["x", "y", "x**2", "x**2 * y"]
    assert (len(report), "x" in report, "z" in report, 3 in report) == (4, True, False, False)
    assert repr(report) == "<Report check 'x**2 * y': match, 4 tensors>"
    lines = str(report).splitlines()
    assert lines[0].startswith("gradcli check")
    assert " ".join(lines).endswith(f" + {report.summary()}")
    assert report.summary().startswith("match: ")
    with pytest.raises(KeyError, match="no tensor 'nope'; there are x, y, x"):
        report["nope"]


def test_a_report_of_nothing_compared_says_so() -> None:
    assert repr(report_of(Verdict.UNVERIFIED)) == "<Report check 'x': unverified, 0 tensors>"


def test_an_error_carries_its_hint() -> None:
    with pytest.raises(gradcli.GradcliError) as caught:
        gradcli.check("sinn(x)")
    assert str(caught.value) == "unknown function 'sinn'\nhint: did you mean 'sin'? `gradcli ops` lists all"
    assert str(gradcli.GradcliError("no hint")) == "no hint"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gradcli.check("x**2", 3.0), "not float"),  # type: ignore[arg-type]
        (lambda: gradcli.check("x**2", {1: 3.0}), "a name is text"),  # type: ignore[dict-item]
        (lambda: gradcli.check_function(Cube, [3.0]), "not list"),  # type: ignore[arg-type]
        (lambda: gradcli.check(Cube), "gradcli.check_function"),
        (lambda: gradcli.check(None), "the program is text, not NoneType"),  # type: ignore[arg-type]
        (lambda: gradcli.check_function(3), "it is of type int"),
        (lambda: gradcli.check_function(Cube, {"x": 3.0}), "`torch.tensor(3.0)` is a tensor"),
        (lambda: gradcli.check("x", claims={"x": 1}), "claims: it must be text"),  # type: ignore[dict-item]
        (lambda: gradcli.check("x", {"x": "abc"}), "the value of 'x' is not a tensor"),
    ],
)
def test_a_wrong_type_is_an_error_of_gradclis(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(gradcli.GradcliError) as caught:
        call()
    assert words in str(caught.value)
    assert "internal error" not in str(caught.value)


@pytest.mark.parametrize("name", ["check", "check_function", "evaluate"])
def test_help_names_every_argument_and_its_example_runs(name: str) -> None:
    function = getattr(gradcli, name)
    text = inspect.getdoc(function) or ""
    for parameter in inspect.signature(function).parameters:
        assert f"    {parameter}: " in text
    (example,) = doctest.DocTestFinder(recurse=False).find(function, name, api)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


def test_nothing_warns_where_there_is_no_numpy(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise ModuleNotFoundError(\"No module named 'numpy'\", name='numpy')\n")
    code = "import gradcli; print(gradcli.check('x**2', {'x': [1.0, 2.0]}, reduce='sum', witnesses='taylor').verdict)"
    environment = {"PYTHONPATH": f"{tmp_path}:{Path(gradcli.__file__).parents[1]}", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert (done.stdout, done.stderr) == ("match\n", "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"witnesses": []}, "nothing was compared"),
        ({"witnesses": [], "claims": {"x": "3*x**2"}}, "the claim for 'x' is right"),
    ],
)
def test_where_nothing_was_compared_there_is_no_pass(options: dict[str, Any], words: str) -> None:
    report = gradcli.check("x**3", {"x": 2.0}, **options)
    assert (report.verdict, report.exit_code, bool(report)) == ("unverified", 3, False)
    assert report.to_dict()["verdict"] == "unverified"
    assert words in FORMATS["plain"].render(report, Style(200))


def test_a_wrong_claim_is_wrong_without_a_witness() -> None:
    report = gradcli.check("x**3", {"x": 2.0}, witnesses=[], claims={"x": "x**2"})
    assert (report.verdict, report["x"].dissenter) == ("mismatch", "claim")
    assert "a claim disagrees with autograd's gradient" in FORMATS["plain"].render(report, Style(200))


def test_what_was_asked_not_to_be_compared_is_unverified_and_no_error() -> None:
    for command in ("eval", "grad", "trace", "jacobian", "hessian", "accumulate", "double-backward", "check"):
        report = evaluate_program("x*x*x", Settings(command=command, verify=False))
        assert (report.verdict, report.exit_code, bool(report)) == ("unverified", 0, False)
        assert "match" not in FORMATS["plain"].render(report, Style(80))
    jvp = evaluate_program("x*x", Settings(command="jvp", verify=False, tangents={"x": 1.0}))
    assert (jvp.verdict, jvp.exit_code) == ("unverified", 0)


def test_no_gradient_is_no_match() -> None:
    settings = Settings(command="grad", wrt=("x",), allow_unused=True)
    report = evaluate_program("y*y + 0*(x > 1)", settings, {"x": 1.0, "y": 2.0})
    assert (report.verdict, report.exit_code, report["x"].gradient) == ("unverified", 3, None)


def test_a_report_names_its_tolerances() -> None:
    assert gradcli.check("x*x", {"x": 2.0}).to_dict()["tolerance"] == {"rtol": 1e-9, "atol": 1e-13}
    loose = gradcli.evaluate("x*x", {"x": 2.0}, dtype="float32", rtol=0.5).to_dict()
    assert loose["tolerance"] == {"rtol": 0.5, "atol": 1.2e-7}


def test_a_caller_without_gradients_has_them_checked_all_the_same() -> None:
    with torch.no_grad():
        assert gradcli.evaluate("x**3", {"x": 2.0})["x"].gradient == 12.0
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        x = torch.ones(2)
        assert gradcli.evaluate("(x*x).sum()", {"x": x})["x"].gradient.tolist() == [2.0, 2.0]
        assert gradcli.evaluate(lambda x: (x * x).sum(), {"x": x})["x"].gradient.tolist() == [2.0, 2.0]
        assert torch.is_inference_mode_enabled()
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


def test_a_caller_who_looks_for_nan_is_told_of_it(recwarn: pytest.WarningsRecorder) -> None:
    with torch.autograd.set_detect_anomaly(mode=True):
        recwarn.clear()
        assert gradcli.evaluate("sqrt(x)*0", {"x": 0.0})["x"].verdict is Verdict.UNDEFINED
        assert torch.is_anomaly_enabled()
    assert not recwarn.list


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex128])
def test_a_dtype_may_be_pytorch_s_own(dtype: torch.dtype) -> None:
    report = gradcli.evaluate("(x*x).real", {"x": 2.0}, dtype=dtype)
    assert report.verdict == "match"
    assert report["x"].gradient.dtype is dtype


def test_a_dtype_that_gradcli_has_not_is_named() -> None:
    with pytest.raises(gradcli.GradcliError, match="there is no 'int64'"):
        gradcli.evaluate("x*x", {"x": 2.0}, dtype=torch.int64)


def test_einsum_with_lists_of_axes_is_undecided_for_a_reason() -> None:
    report = gradcli.evaluate("einsum(x, [0, 1], [0]).sum()", {"x": [[1.0, 2.0]]})
    assert report.verdict == "undecided"
    assert "write its equation" in (report["x"].note or "")


def test_torch_s_functions_fill_a_tensor_as_its_methods_do() -> None:
    assert gradcli.evaluate("a = zeros(2); torch.fill_(a, 3.0); (a*x).sum()", {"x": 2.0})["x"].gradient == 6.0
    with pytest.raises(gradcli.GradcliError, match="`a` is computed, and cannot be filled"):
        gradcli.evaluate("a = x*1; torch.zero_(a); a.sum()", {"x": 2.0})
