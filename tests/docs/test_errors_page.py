"""docs/errors.md sets PyTorch's errors beside gradcli's; test_outputs.py keeps what both say."""

from __future__ import annotations

import re

from documented import MARKS, ROOT


def test_every_section_shows_both_sides() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert len(sections) >= 7
    assert [section.partition("\n")[0] for section in sections if not all(mark in section for mark in MARKS)] == []
