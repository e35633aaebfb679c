"""The table of other tools' tasks: every row is derived, equal to autograd's, and of the formula that stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import gradcli
from gradcli.derivation.notation.written import symbols
from gradcli.report.verdict import Verdict

PAGE = Path(__file__).parents[2] / "docs" / "derive-peers.md"
ROW = re.compile(r"^\| (.+?) of `(.+?)` \| `(.+?)` \| (.+?) \| `(.+?)` \| (\d+) \|$", re.MULTILINE)
ROWS = ROW.findall(PAGE.read_text(encoding="utf-8"))


def shapes_of(text: str) -> dict[str, tuple[str, ...]]:
    pairs = (item.split(" ") for item in text.split(", "))
    return {name: () if shape == "scalar" else tuple(shape.split("x")) for name, shape in pairs}


def test_there_are_forty_tasks_and_twenty() -> None:
    assert len(ROWS) == 60


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1])
def test_a_row_is_what_is_derived(row: tuple[str, ...]) -> None:
    what, _, program, shapes, formula, count = row
    name = what.rpartition(" ")[2].rpartition("/d")[2].removesuffix("²")
    options: dict[str, Any] = {"product": "jacobian"} if what.startswith("Jacobian") else {"order": 1 + ("²" in what)}
    found = gradcli.derive(program, shapes_of(shapes), wrt=name, **options)[name]
    assert (found.formula, found.checked.verdict) == (formula, Verdict.MATCH)
    assert symbols(formula) == int(count)
