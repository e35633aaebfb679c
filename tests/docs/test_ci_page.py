"""What docs/ci.md says to put into the files of CI services is YAML, and its commands are gradcli's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from gradcli.cli.app import main

PAGE = (Path(__file__).parents[2] / "docs" / "ci.md").read_text(encoding="utf-8")
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
COMMANDS = [line for line in re.findall(r"gradcli check [^\n`]*--format[^\n`]*", PAGE) if "docs/" not in line]
SUITE = """
[defaults]
witnesses = ["symbolic"]
[[check]]
program = "x*x"
[[check]]
program = "x+y"
"""


def test_there_is_one_for_every_service() -> None:
    assert {*EXAMPLES[0]["jobs"]["gradients"]} == {"runs-on", "strategy", "steps"}
    assert EXAMPLES[1]["gradients"]["artifacts"]["reports"] == {"junit": "gradients.xml"}
    assert EXAMPLES[3]["repos"][0]["hooks"][0]["language"] == "system"
    assert EXAMPLES[2]["steps"][0]["task"] == "UsePythonVersion@0"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gradients").mkdir()
    (tmp_path / "gradients" / "ours.toml").write_text(SUITE, encoding="utf-8")
    words = command.replace("*", "ours").replace("${{ matrix.shard }}", "1").replace("-j auto", "-j 1")
    assert main(shlex.split(words)[1:]) == 0


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 2
