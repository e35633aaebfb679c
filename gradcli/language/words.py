"""Text inside messages."""

from __future__ import annotations


def shorten(text: str, length: int = 60) -> str:
    """Return a text of one line, cut where it is too long to stand in a message."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 3] + "..."
