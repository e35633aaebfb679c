"""How a text is to look: its width, whether it has colour, and whether it may leave ASCII."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TextIO

NARROWEST, WIDEST = 40, 10_000  # columns, whatever COLUMNS says
SYMBOLS = "✓✗≈∅…∂·—│─"


@dataclass(frozen=True, slots=True)
class Style:
    """What a renderer is told about the place where its text will be read."""

    width: int = 80
    colour: bool = False
    unicode: bool = True


def style_for(stream: TextIO | None) -> Style:
    """Return the style that suits a stream; None stands for a file, which is UTF-8 without colour."""
    width = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
    if stream is None:
        return Style(width)
    colour = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Style(width, colour, _can_encode(stream))


def _can_encode(stream: TextIO) -> bool:
    try:
        SYMBOLS.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
