"""Relative links in the documents lead to files that exist, and to headings in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from documented import DOCUMENTS, ROOT

CODE = re.compile(r"^(`{3,}).*?^\1`*$|(?<!`)(`+)(?!`).*?(?<!`)\2(?!`)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6} +(.*?)[ #]*$", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def links(text: str) -> Iterator[str]:
    """Yield the targets of a document's links, those to other sites left out."""
    for match in LINK.finditer(CODE.sub("code", text)):
        target = match[1] or match[2]
        if not ELSEWHERE.match(target):
            yield target


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a document; equal ones are numbered."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in HEADING.findall(re.sub(r"^(`{3,}).*?^\1`*$", "", text, flags=re.MULTILINE | re.DOTALL)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def broken(document: Path, text: str) -> list[str]:
    """Return the links of a document that lead nowhere."""
    return [target for target in links(text) if not leads_somewhere(document, text, target)]


def leads_somewhere(document: Path, text: str, target: str) -> bool:
    name, _, anchor = target.partition("#")
    if not name:
        return anchor in anchors(text)
    path = (document.parent / name).resolve()
    if not path.is_relative_to(ROOT) or not path.exists():
        return False
    return not anchor or anchor in anchors(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_the_links_of_a_document_lead_somewhere(document: Path) -> None:
    assert broken(document, document.read_text(encoding="utf-8")) == []


def test_there_are_links() -> None:
    assert sum(len([*links(document.read_text(encoding="utf-8"))]) for document in DOCUMENTS) >= 15


def test_a_link_that_leads_nowhere_is_found() -> None:
    text = (
        "# One `two`, three\n# One two three\n[a](#one-two-three-1) [b](../README.md#no-such) [c](docs/errors.md)\n"
        "[d](errors.md) `[e](nothing.md)` [f](https://pytorch.org)\n```\n[g](nothing.md)\n# h\n```\n[i]: nothing.md\n"
        "[j](#h) [k](../../etc/passwd)\n"
    )
    assert broken(ROOT / "docs" / "here.md", text) == [
        "../README.md#no-such",
        "docs/errors.md",
        "nothing.md",
        "#h",
        "../../etc/passwd",
    ]
