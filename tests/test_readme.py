"""The README's outputs are what its commands print; `python tests/test_readme.py` writes them anew."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sysconfig
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
GRADCLI = str(Path(sysconfig.get_path("scripts")) / "gradcli")
OUTPUT = re.compile(
    r"^(?P<head><!-- output of: (?P<command>gradcli .*?) -->\n```\w*\n)(?P<output>.*?)(?P<tail>^```$)",
    re.MULTILINE | re.DOTALL,
)
SHELL_BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:\$ )?(gradcli .*)$", re.MULTILINE)
TABLE_ROW = re.compile(r"^\| `gradcli ([\w-]+)", re.MULTILINE)


def run(command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    return subprocess.run(
        [GRADCLI, *shlex.split(command)[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def regenerated(text: str) -> str:
    return OUTPUT.sub(lambda block: block["head"] + run(block["command"]).stdout + block["tail"], text)


def text() -> str:
    return README.read_text(encoding="utf-8")


@pytest.mark.parametrize("block", list(OUTPUT.finditer(text())), ids=lambda block: block["command"])
def test_an_output_is_what_the_command_prints(block: re.Match[str]) -> None:
    assert run(block["command"]).stdout == block["output"]


@pytest.mark.parametrize(
    "command", [command for block in SHELL_BLOCK.findall(text()) for command in COMMAND.findall(block)]
)
def test_a_command_succeeds(command: str) -> None:
    done = run(command)
    assert done.returncode == 0, done.stdout


def test_the_table_lists_the_commands_that_exist() -> None:
    listed = TABLE_ROW.findall(text())
    offered = re.findall(r"^[│|] (\w[\w-]*) ", run("gradcli --help").stdout, re.MULTILINE)
    assert listed
    assert sorted(listed) == sorted(offered)


def test_every_marked_output_is_found() -> None:
    assert len(OUTPUT.findall(text())) == text().count("<!-- output of:") > 0


if __name__ == "__main__":
    README.write_text(regenerated(text()), encoding="utf-8")
