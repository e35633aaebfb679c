"""Text in lines that fit: broken between words, and nowhere else."""

from __future__ import annotations

import textwrap


def wrap(text: str, width: int) -> list[str]:
    """Return a text in lines of at most `width` characters; no word is split, of two joined by a hyphen neither."""
    return textwrap.wrap(text, width, break_on_hyphens=False)
