"""docs/errors.md sets PyTorch's errors beside gradcli's; test_outputs.py keeps what both say."""

from __future__ import annotations

import re

from documented import ROOT

TEXT = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
# Of a NaN PyTorch says nothing.
SILENT = {"A gradient that is NaN"}


def test_every_section_shows_both_sides() -> None:
    sections = {text.partition("\n")[0]: text for text in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]}
    assert len(sections) >= 8
    assert [title for title, text in sections.items() if "<!-- output of: gradcli " not in text] == []
    assert {title for title, text in sections.items() if "<!-- PyTorch says -->" not in text} == SILENT
