"""What is offered where exp overflows: a form that has the program's value, and gradients that are finite and right."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

import gradcli

WRITE = re.compile(r"write (.+?) in place of (?:(\S+) in )?'(.+?)'(, each time)?(?:;|$)")
CASES = [
    ("exp(x)/exp(x).sum()", [1000.0, 1.0], "softmax(x, dim=-1)"),
    ("exp(x)/exp(x).sum(0)", [[1000.0, 1.0], [1.0, 2.0]], "softmax(x, dim=-2)"),
    ("e = x.exp(); e / e.sum(dim=1, keepdim=True)", [[1000.0, 1.0], [1.0, 2.0]], "softmax(x, dim=-1)"),
    ("exp(x)/exp(x).sum()", [[1000.0, 1.0], [1.0, 2.0]], "softmax(x.flatten(), dim=0).view_as(x)"),
    ("(exp(x)/exp(x).sum()).log()", [1000.0, 1.0], "log_softmax(x, dim=-1)"),
    ("-log(exp(x)[1]/exp(x).sum())", [1000.0, 1.0], "log_softmax(x, dim=-1)[1]"),
    ("log(exp(x).sum())", [1000.0, 1.0], "logsumexp(x, dim=-1)"),
    ("log(exp(x).sum())", [-1000.0, -2000.0], "logsumexp(x, dim=-1)"),
    ("log(1 + exp(x))", 1000.0, "softplus(x)"),
    ("exp(x)/(1 + exp(x))", 1000.0, "sigmoid(x)"),
    ("1/(1 + exp(-x))", -1000.0, "sigmoid(x)"),
    ("1/(1 + exp(2 - x))", -1000.0, "sigmoid(-(2 - x))"),
    ("(exp(x) - exp(-x))/(exp(x) + exp(-x))", 1000.0, "tanh(x)"),
    ("exp(x)/exp(x/2)", 1000.0, "exp(x - (x/2))"),
    ("exp(x)/exp(x.sum())", [1000.0, 1.0], "exp(x - x.sum())"),
    ("(torch.tensor([1., 2.])*exp(x)).sum()/exp(x).sum()", [1000.0, 1.0], "x - amax(x, dim=-1, keepdim=True)"),
]


def note(program: str, value: Any) -> str:
    report = gradcli.evaluate(program, {"x": value}, grad_output="random")
    assert report.verdict == "undefined"
    return report["x"].note or ""


@pytest.mark.parametrize(("program", "value", "form"), CASES)
def test_a_form_that_does_not_overflow_is_offered(program: str, value: Any, form: str) -> None:
    found = WRITE.search(note(program, value))
    assert found is not None
    assert found[1] == form


@pytest.mark.parametrize(("program", "value", "form"), CASES)
def test_the_program_that_is_offered_has_the_same_value_and_finite_gradients(
    program: str, value: Any, form: str
) -> None:
    found = WRITE.search(note(program, value))
    assert found is not None
    part = f"({form})" if found[2] is None else found[3].replace(f"({found[2]})", f"({form})")
    mended = program.replace(found[3], part)
    moderate = torch.tensor(value) / 800 - 0.1
    pair = [gradcli.evaluate(text, {"x": moderate}, grad_output="random") for text in (program, mended)]
    torch.testing.assert_close(pair[0].output.value, pair[1].output.value)
    torch.testing.assert_close(pair[0]["x"].gradient, pair[1]["x"].gradient)
    assert gradcli.evaluate(mended, {"x": value}, grad_output="random")["x"].gradient.isfinite().all()


@pytest.mark.parametrize("program", ["exp(x).sum()", "exp(x)", "exp(x).sum() * 0.5"])
def test_no_maximum_is_subtracted_that_does_not_cancel(program: str) -> None:
    found = note(program, [1000.0, 1.0])
    assert "amax" not in found
    assert "softmax(x" not in found


def test_two_tensors_are_combined() -> None:
    report = gradcli.evaluate("log(exp(x) + exp(y))", {"x": 1000.0, "y": 1001.0})
    assert "write logaddexp(x, y) in place of 'log(exp(x) + exp(y))'" in (report["y"].note or "")
