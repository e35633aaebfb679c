"""The magic of notebooks: what `%%gradcli` carries out, in a shell of IPython's own."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import gradcli
from gradcli.cli.cell import arguments


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", ["eval", "--", "x*y\n"]),
        ("check --points 3", ["check", "--points", "3", "--", "x*y\n"]),
        ("--value 'x=[1, 2]'", ["eval", "--value", "x=[1, 2]", "--", "x*y\n"]),
    ],
)
def test_the_words_of_a_cell(line: str, words: list[str]) -> None:
    assert [*arguments(line, "x*y\n")] == words


@pytest.fixture
def shell() -> Any:
    testing = pytest.importorskip("IPython.core.interactiveshell", reason="needs IPython")
    made = testing.InteractiveShell.instance()
    yield made
    testing.InteractiveShell.clear_instance()


@pytest.mark.filterwarnings("ignore")  # of IPython's own
def test_a_cell_is_a_program(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_line_magic("load_ext", "gradcli")
    shell.run_cell_magic("gradcli", "eval --value w1=2 --value w2=3", "x = w1*w2  # a comment\nx + w1\n")
    text = capsys.readouterr().out
    assert "gradcli eval" in text
    assert ["w1", "2", "4"] in [line.split()[:3] for line in text.splitlines()]
    assert "match" in text
    shell.run_cell_magic("gradcli", "", "-w*w")
    assert "w*w" in capsys.readouterr().out
    shell.run_cell_magic("gradcli", "check", "sinn(x)")
    assert "did you mean 'sin'" in capsys.readouterr().err


def test_a_report_has_latex() -> None:
    report = gradcli.evaluate("w1*w_2**2", {"w1": 2.0, "w_2": 3.0})
    assert report._repr_latex_() == (
        "\\begin{align*}\n"
        "  \\frac{\\partial f}{\\partial\\, \\mathtt{w1}} &= w_{2}^{2} \\\\\n"
        "  \\frac{\\partial f}{\\partial\\, \\mathtt{w\\_2}} &= 2 w_{1} w_{2} \\\\\n"
        "  \\frac{\\partial f}{\\partial\\, \\mathtt{w\\_2**2}} &= w_{1} \\\\\n"
        "  \\frac{\\partial f}{\\partial\\, \\mathtt{w1*w\\_2**2}} &= 1\n"
        "\\end{align*}"
    )


def test_loading_gradcli_loads_no_ipython() -> None:
    code = "import gradcli, gradcli.cli.cell, sys; print('IPython' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
