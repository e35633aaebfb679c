"""Tables in docs that list what the code lists have a row for each."""

from __future__ import annotations

import re

import pytest
from documented import ROOT

from gradcli.render.formats import FORMATS
from gradcli.witnesses import SYMBOLIC, WITNESSES


@pytest.mark.parametrize(
    ("page", "heading", "names"),
    [("check.md", "witness", {SYMBOLIC, *WITNESSES}), ("ci.md", "`--format`", {*FORMATS})],
)
def test_a_table_has_a_row_for_each(page: str, heading: str, names: set[str]) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    (table,) = re.findall(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    first = " ".join(row.split("|")[1] for row in table.splitlines())
    assert {*re.findall(r"`([\w-]+)`", first)} == names
