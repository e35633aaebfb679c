"""Outputs in the documents are what their commands print: README.md and every page under docs."""

from __future__ import annotations

import re

import pytest
from documented import DOCUMENTS, MARKS, Shown, renewed, shown

from gradcli.ops.record import Kind, Op
from gradcli.ops.table import OPS, find

RECORD = re.compile(r"^<!-- record: (?P<name>\S+) -->\n```python\n(?P<record>.*?)^```$", re.MULTILINE | re.DOTALL)
TEXTS = [document.read_text(encoding="utf-8") for document in DOCUMENTS]


@pytest.mark.parametrize("block", shown(), ids=str)
def test_an_output_is_what_is_said_to_make_it(block: Shown) -> None:
    assert block.make(block.source) == block.output, "run `just docs`"


def test_every_marked_output_is_read() -> None:
    assert len(shown()) == sum(line.startswith(MARKS) for text in TEXTS for line in text.splitlines()) >= 40


def test_outputs_are_made_anew() -> None:
    text = (
        "<!-- output of: echo one; echo two >&2 -->\n```text\nstale\n```\n\n"
        "```python\nraise ValueError(1 + 1)\n```\n\n<!-- PyTorch says -->\n```text\nstale\n```\n"
    )
    assert renewed(text) == text.replace("stale", "one\ntwo", 1).replace("stale", "ValueError: 2")


def records() -> list[re.Match[str]]:
    return [record for text in TEXTS for record in RECORD.finditer(text)]


@pytest.mark.parametrize("record", records(), ids=lambda record: record["name"])
def test_a_record_that_is_shown_is_the_table_s(record: re.Match[str]) -> None:
    op = eval(record["record"], {"Op": Op, "Kind": Kind})  # noqa: S307  # the page's own text
    assert op == find(record["name"])
    assert op in OPS
