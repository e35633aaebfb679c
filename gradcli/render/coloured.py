"""Colour for text that is laid out already: where it stands is told by patterns, and no character changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from rich.text import Text

from gradcli.render.console import printed
from gradcli.render.style import Style

Rendered = TypeVar("Rendered")
# Of verdicts.
GOOD, HALF, BAD, OPEN = "green", "cyan", "bold red", "yellow"


def coloured(text: str, style: Style, looks: Mapping[str, str]) -> str:
    """Return text with what matches each pattern in its colour (a style of rich's); of two, the later one counts."""
    if not style.colour:
        return text
    shown = Text(text.removesuffix("\n"))
    for pattern, look in looks.items():
        shown.highlight_regex(pattern, look)
    return printed([shown], style, as_is=True)


def plain(render: Callable[[Rendered, Style], str]) -> Callable[[Rendered, Style], str]:
    """Return what renders the same text without colour and links, whatever the style says."""
    return lambda report, style: render(report, replace(style, colour=False, links=False))
