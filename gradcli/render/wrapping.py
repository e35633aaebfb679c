"""Text in lines that fit: broken between words, and nowhere else."""

from __future__ import annotations

import textwrap


def wrap(text: str, width: int, hanging: int = 0) -> list[str]:
    """Return a text in lines of at most `width` characters; no word is split, of two joined by a hyphen neither.

    Lines after the first stand `hanging` columns further right.
    """
    return textwrap.wrap(text, width, subsequent_indent=" " * hanging, break_on_hyphens=False)
