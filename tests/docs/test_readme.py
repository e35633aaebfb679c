"""The README's commands succeed, and its table lists those that exist; test_outputs.py keeps its outputs."""

from __future__ import annotations

import re

import pytest
from documented import ROOT, run

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL_BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:\$ )?(gradcli .*)$", re.MULTILINE)
TABLE_ROW = re.compile(r"^\| (`gradcli .*?) \|", re.MULTILINE)
NAME = re.compile(r"`gradcli (\w[\w-]*)")


@pytest.mark.parametrize(
    "command", [command for block in SHELL_BLOCK.findall(TEXT) for command in COMMAND.findall(block)]
)
def test_a_command_succeeds(command: str) -> None:
    done = run(command)
    assert done.returncode == 0, done.stdout


def test_the_table_lists_the_commands_that_exist() -> None:
    listed = [name for cell in TABLE_ROW.findall(TEXT) for name in NAME.findall(cell)]
    offered = re.findall(r"^[│|] (\w[\w-]*) ", run("gradcli --help").stdout, re.MULTILINE)
    assert listed
    assert sorted(listed) == sorted(offered)
