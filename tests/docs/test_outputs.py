"""Outputs in the pages under docs are what their commands print; `python tests/docs/test_outputs.py` writes them."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

import gradcli.ops
from gradcli.execution.forward.callables import function
from gradcli.ops.family import kernel
from gradcli.ops.table import OPS, find

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
OUTPUT = re.compile(
    r"^(?P<head><!-- output of: (?P<command>.*?) -->\n```\w*\n)(?P<output>.*?)(?P<tail>^```$)", re.MULTILINE | re.DOTALL
)
RECORD = re.compile(r"^<!-- record: (?P<name>\S+) -->\n```python\n(?P<record>.*?)^```$", re.MULTILINE | re.DOTALL)
KERNEL = re.compile(r"^<!-- kernel: (\S+) -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def printed(command: str) -> str:
    """Return what a command prints; it may read a file of docs and end in a pipe."""
    scripts = sysconfig.get_path("scripts")
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(  # noqa: S602  # the commands are the pages' own
        command,
        shell=True,
        cwd=DOCS.parent,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def blocks() -> list[tuple[Path, re.Match[str]]]:
    return [(page, block) for page in PAGES for block in OUTPUT.finditer(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("block", [block for _, block in blocks()], ids=lambda block: block["command"])
def test_an_output_is_what_the_command_prints(block: re.Match[str]) -> None:
    assert printed(block["command"]) == block["output"]


def test_there_are_outputs() -> None:
    marked = sum(page.read_text(encoding="utf-8").count("<!-- output of:") for page in PAGES)
    assert len(blocks()) == marked >= 3


def records() -> list[re.Match[str]]:
    return [record for page in PAGES for record in RECORD.finditer(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("shown", records(), ids=lambda shown: shown["name"])
def test_a_record_that_is_shown_is_the_table_s(shown: re.Match[str]) -> None:
    known = find(shown["name"])
    assert known is not None
    modules = [module for module in vars(gradcli.ops).values() if hasattr(module, "FAMILY")]
    (family,) = (module.FAMILY for module in modules if module.FAMILY.name == known.family)
    record = eval(shown["record"], {"FAMILY": family})  # noqa: S307  # the page's own text
    assert record == known
    assert record in OPS


@pytest.mark.parametrize("shown", KERNEL.findall((DOCS / "adding_an_op.md").read_text(encoding="utf-8")))
def test_a_kernel_that_is_shown_is_the_code_s(shown: tuple[str, str]) -> None:
    name, source = shown
    assert inspect.getsource(function(kernel(name))) == source


if __name__ == "__main__":
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        changed = OUTPUT.sub(lambda block: block["head"] + printed(block["command"]) + block["tail"], text)
        page.write_text(changed, encoding="utf-8")
