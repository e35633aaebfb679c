"""The pytest plugin, run as its users run it: a pytest of its own, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
[defaults]
shape = "2"
reduce = "sum"
witnesses = ["symbolic"]

[[check]]
name = "right"
program = "x*y"
claim = {x = "y"}

[[check]]
name = "wrong"
program = "x*y"
tags = ["hand"]
claim = {x = "y/2"}

[[check]]
name = "expected"
program = "x*y"
claim = {x = "-y"}
expect = "mismatch"

[[check]]
name = "no program"
program = "x*"
"""

TESTS = """
import pytest
import torch


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return FACTOR * x * g


def test_a_program(assert_gradients):
    report = assert_gradients("(x*x).sum()", {"x": torch.ones(3)}, claim={"x": "2*x"})
    assert report["x"].gradient.tolist() == [2, 2, 2]


def test_a_function(assert_gradients):
    assert_gradients(Square, {"x": torch.ones(3)}, reference="x**2")


def test_a_model(assert_gradients):
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Dropout(0.5))
    assert assert_gradients(model, {"input": torch.ones(2, 3)}, train=True)["0.weight"].module == "0"


def test_a_loss(assert_gradients):
    def loss(x, n):
        return {"loss": Square.apply(x).sum() * n, "other": x.sum()}

    assert_gradients(loss, [torch.ones(3)], arguments={"n": 3}, output="loss")


def test_a_wrong_claim(assert_gradients):
    assert_gradients("(x*x).sum()", {"x": torch.arange(3.0)}, claims={"x": "3*x"})


def test_a_typing_mistake(assert_gradients):
    assert_gradients("(x*x).sum(", {"x": torch.ones(3)})
"""


def run_pytest(folder: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "COLUMNS": "200"},
    )
    return done.returncode, done.stdout + done.stderr


def test_a_suite_is_collected_check_by_check(tmp_path: Path) -> None:
    (tmp_path / "ours.gradcli.toml").write_text(SUITE, encoding="utf-8")
    code, text = run_pytest(tmp_path)
    assert code == 1
    assert "2 failed, 2 passed" in text
    assert "PASSED ours.gradcli.toml::right" in text
    assert "PASSED ours.gradcli.toml::expected" in text
    assert "FAILED ours.gradcli.toml::wrong" in text
    assert "the right one times 0.5" in text
    assert "error: " in text  # of the check that is not a program
    assert "Traceback" not in text


def test_tags_select(tmp_path: Path) -> None:
    (tmp_path / "ours.gradcli.toml").write_text(SUITE, encoding="utf-8")
    code, text = run_pytest(tmp_path, "-k", "hand")
    assert (code, "1 failed, 3 deselected" in text) == (1, True)


def test_what_is_no_suite_is_an_error_of_the_collection(tmp_path: Path) -> None:
    (tmp_path / "ours.gradcli.toml").write_text("[[check]]\nprogram = 'x'\nshpae = '2'\n", encoding="utf-8")
    code, text = run_pytest(tmp_path)
    assert code == pytest.ExitCode.INTERRUPTED
    assert "ours.gradcli.toml:3" in text
    assert "shape" in text


@pytest.mark.parametrize(("factor", "outcome"), [("2", "2 failed, 4 passed"), ("2.001", "4 failed, 2 passed")])
def test_the_fixture_takes_programs_and_functions(tmp_path: Path, factor: str, outcome: str) -> None:
    (tmp_path / "test_ours.py").write_text(TESTS.replace("FACTOR", factor), encoding="utf-8")
    code, text = run_pytest(tmp_path)
    assert (code, outcome in text) == (1, True), text
    assert "FAILED test_ours.py::test_a_wrong_claim" in text
    assert "FAILED test_ours.py::test_a_typing_mistake" in text


def test_the_summary_names_the_cause(tmp_path: Path) -> None:
    (tmp_path / "test_ours.py").write_text(TESTS.replace("FACTOR", "1"), encoding="utf-8")
    (tmp_path / "ours.gradcli.toml").write_text(SUITE, encoding="utf-8")
    _, text = run_pytest(tmp_path)
    for line in [
        "FAILED test_ours.py::test_a_function - gradcli: mismatch: x: the gradient is the right one times 0.5",
        "FAILED test_ours.py::test_a_loss - gradcli: mismatch: x: the backward of Square (test_ours.py:13), applied at",
        "FAILED test_ours.py::test_a_wrong_claim - gradcli: mismatch: x: the claim is the right one times 1.5",
        "FAILED test_ours.py::test_a_typing_mistake - gradcli: `(` is never closed",
        "FAILED ours.gradcli.toml::wrong - gradcli: mismatch: x: the claim is the right one times 0.5",
        "FAILED ours.gradcli.toml::no program - gradcli: error: ",
    ]:
        assert line in text


def test_a_claim_about_a_function_is_refused(tmp_path: Path) -> None:
    body = "    assert_gradients(Square, {'x': torch.ones(3)}, claims={'x': '2*x'})\n"
    text = TESTS.partition("def test_a_program")[0].replace("FACTOR", "2")
    (tmp_path / "test_ours.py").write_text(f"{text}def test_it(assert_gradients):\n{body}", encoding="utf-8")
    code, shown = run_pytest(tmp_path)
    assert (code, "a claim is about a program" in shown) == (1, True)


def test_a_run_that_does_not_use_it_loads_nothing_of_gradcli(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n\n\ndef test_nothing():\n"
        "    assert 'pytest_gradcli' in sys.modules\n"
        "    assert not {'gradcli', 'torch', 'sympy', 'pydantic'} & sys.modules.keys()\n",
        encoding="utf-8",
    )
    code, text = run_pytest(tmp_path)
    assert code == 0, text
