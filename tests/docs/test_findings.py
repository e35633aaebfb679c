"""Every command in docs/findings.md ends as the page says: with a mismatch, another verdict, or PyTorch's refusal."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from gradcli.cli.app import main

PAGE = Path(__file__).parents[2] / "docs" / "findings.md"
COMMAND = re.compile(r"^    gradcli (.*)$", re.MULTILINE)
VERDICT = re.compile(r"verdict `(\w+)`\)")
REFUSED = "PyTorch refuses (exit 2)"


def cases() -> list[tuple[str, str]]:
    """Return each command with what is said to come of it."""
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    return [(command, _said(section)) for section in sections for command in COMMAND.findall(section)]


def _said(section: str) -> str:
    verdict = VERDICT.search(section)
    return "refused" if REFUSED in section else verdict[1] if verdict else "mismatch"


def test_there_are_commands() -> None:
    assert len(cases()) > 40
    assert {said for _, said in cases()} == {"mismatch", "undefined", "refused"}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("command", "said"), cases(), ids=[command for command, _ in cases()])
def test_a_command_ends_as_the_page_says(command: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main([*shlex.split(command), "--json"])
    shown = capsys.readouterr()
    if said == "refused":
        assert code == 2
        assert "PyTorch refuses" in shown.err
    else:
        assert code == 1
        assert json.loads(shown.out)["verdict"] == said
