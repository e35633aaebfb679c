"""docs/ops.md is what `gradcli ops --format markdown -o docs/ops.md` writes, and its commands run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from gradcli.catalogue import pages
from gradcli.cli.app import main
from gradcli.render.op_table.markdown import markdown

PAGE = Path(__file__).parents[2] / "docs" / "ops.md"
COMMAND = re.compile(r"^- example: `(gradcli .*)`$", re.MULTILINE)
# Every command takes a moment: each run of the tests tries some, from all over the table.
EVERY = 23
# PyTorch's own derivative is wrong at any point: docs/findings.md.
WRONG = ("ctc_loss", "cholesky_solve", "cholesky_inverse", "hardsigmoid")


def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_page_is_in_step_with_the_table() -> None:
    assert text() == markdown(pages(derivatives=True)), "run `gradcli ops --format markdown -o docs/ops.md`"


def test_the_page_shows_what_the_table_holds() -> None:
    assert len(re.findall(r"^### ", text(), re.MULTILINE)) == len(pages()) > 400
    assert "derivative by x: `-1/sqrt(1 - x**2)`" in text()
    assert "kinks where `input == 0`" in text()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("command", COMMAND.findall(text())[::EVERY])
def test_an_example_verifies(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(shlex.split(command)[1:])
    assert code == any(name in command for name in WRONG), capsys.readouterr().out
