"""What stands around a program where it is copied from: prompts, output, a notebook's own commands."""

from __future__ import annotations

import re

_PROMPT = re.compile(r"[ \t]*(?:>>>|\.\.\.|In ?\[\d*\]:|\.{3,}:)(?: |$)")
_FIRST_PROMPT = re.compile(r"^[ \t]*(?:>>>|In ?\[\d*\]:)(?: |$)", re.MULTILINE)
_COMMAND = re.compile(r"[%!][A-Za-z]")  # of a notebook: `%matplotlib inline`, `!pip install torch`
_PRINTED = re.compile(r"tensor\(")


def without_surroundings(text: str) -> str:
    """Return a pasted text without prompts and printed output; any other text as it is."""
    lines = text.split("\n")
    if _FIRST_PROMPT.search(text):
        return "\n".join(line[match.end() :] for line in lines if (match := _PROMPT.match(line)))
    if not any(_COMMAND.match(line) or _PRINTED.match(line) for line in lines):
        return text
    return "\n".join(_without_printed([line for line in lines if not _COMMAND.match(line)]))


def _without_printed(lines: list[str]) -> list[str]:
    """Return the lines without those of printed tensors: `tensor([1., 1.])` alone computes nothing."""
    kept: list[str] = []
    place = 0
    while place < len(lines):
        end = _end_of_printed(lines, place) if _PRINTED.match(lines[place]) else None
        kept += [] if end is not None else [lines[place]]
        place = place + 1 if end is None else end
    return kept if any(line.strip() for line in kept) else lines


def _end_of_printed(lines: list[str], start: int) -> int | None:
    """Return the line after a printed tensor; None where something follows its last bracket."""
    depth = 0
    for place in range(start, len(lines)):
        if place > start and lines[place][:1] not in (" ", ""):
            return None  # a printed tensor goes on with rows that are indented
        for position, character in enumerate(lines[place]):
            depth += (character in "([") - (character in ")]")
            if depth == 0 and character == ")":
                return None if lines[place][position + 1 :].strip() else place + 1
    return None
