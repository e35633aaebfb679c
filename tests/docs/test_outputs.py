"""Outputs in the documents are what their commands print: README.md and every page under docs."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from documented import DOCUMENTS, MARKS, ROOT, Shown, drawn, pictures, renewed, shown

import gradcli.ops
from gradcli.execution.forward.callables import function
from gradcli.ops.family import kernel
from gradcli.ops.record import FusedBackward
from gradcli.ops.table import OPS, find

RECORD = re.compile(r"^<!-- record: (?P<name>\S+) -->\n```python\n(?P<record>.*?)^```$", re.MULTILINE | re.DOTALL)
KERNEL = re.compile(r"^<!-- kernel: (\S+) -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# How far rounding is off, in a cell of a table: its digits are the processor's own.
ROUNDING = re.compile(r" *\b\d(\.\d+)?e-(1[2-9]|[2-9]\d)\b *")
TEXTS = [document.read_text(encoding="utf-8") for document in DOCUMENTS]


@pytest.mark.parametrize("block", shown(), ids=str)
def test_an_output_is_what_is_said_to_make_it(block: Shown) -> None:
    assert steady(block.make(block.source)) == steady(block.output), "run `just docs`"


def steady(output: str) -> str:
    """Return an output without the digits of rounding, which another processor's kernels have otherwise."""
    return ROUNDING.sub(" rounding ", output)


def test_only_the_digits_of_rounding_are_left_out() -> None:
    assert steady("w  ✓ match  1.1e-16   3.6e-13  2.00") == steady("w  ✓ match  5.6e-17  2e-12  2.00")
    for other in ("w  ✓ match  1.1e-06   3.6e-13  2.00", "w  ✗ mismatch  1.1e-16   3.6e-13  2.00", "w  ✓ match  2.00"):
        assert steady(other) != steady("w  ✓ match  1.1e-16   3.6e-13  2.00")


def test_every_marked_output_is_read() -> None:
    assert len(shown()) == sum(line.startswith(MARKS) for text in TEXTS for line in text.splitlines()) >= 40


@pytest.mark.parametrize(("command", "picture"), pictures(), ids=lambda part: getattr(part, "name", None))
def test_a_picture_is_what_its_command_draws(command: str, picture: Path, tmp_path: Path) -> None:
    assert drawn(command, tmp_path / picture.name).returncode == 0
    assert (tmp_path / picture.name).read_bytes() == picture.read_bytes(), "run `just docs`"


def test_every_picture_is_drawn_by_a_command() -> None:
    shown = {file.resolve() for _, file in pictures()}
    assert shown == {file.resolve() for file in (ROOT / "docs" / "pictures").iterdir()}


def test_outputs_are_made_anew() -> None:
    text = (
        "<!-- output of: echo one; echo two >&2 -->\n```text\nstale\n```\n\n"
        "```python\nraise ValueError(1 + 1)\n```\n\n<!-- PyTorch says -->\n```text\nstale\n```\n"
    )
    assert renewed(text) == text.replace("stale", "one\ntwo", 1).replace("stale", "ValueError: 2")


def records() -> list[re.Match[str]]:
    return [record for text in TEXTS for record in RECORD.finditer(text)]


@pytest.mark.parametrize("shown", records(), ids=lambda shown: shown["name"])
def test_a_record_that_is_shown_is_the_table_s(shown: re.Match[str]) -> None:
    known = find(shown["name"])
    assert known is not None
    modules = [module for module in vars(gradcli.ops).values() if hasattr(module, "FAMILY")]
    (family,) = (module.FAMILY for module in modules if module.FAMILY.name == known.family)
    record = eval(shown["record"], {"FAMILY": family, "FusedBackward": FusedBackward})  # noqa: S307  # the page's own text
    assert record == known
    assert record in OPS


@pytest.mark.parametrize("shown", [kernel for text in TEXTS for kernel in KERNEL.findall(text)])
def test_a_kernel_that_is_shown_is_the_code_s(shown: tuple[str, str]) -> None:
    name, source = shown
    assert inspect.getsource(function(kernel(name))) == source
