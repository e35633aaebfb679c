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
    links: bool = False
    """Whether lines of code and names of ops are links: on a terminal."""


def style_for(stream: TextIO | None, colour: str = "auto") -> Style:
    """Return the style that suits a stream; None stands for a file, which is UTF-8.

    `colour` is what `--color` says: always, never or auto. With `auto`, a file has no colour, and a stream has it if
    the environment asks for it or a terminal can show it.
    """
    width = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
    coloured = colour == "always" or (colour == "auto" and stream is not None and _is_coloured(stream))
    unicode = stream is None or _can_encode(stream)
    return Style(width, coloured, unicode, links=coloured and stream is not None and stream.isatty())


def _is_coloured(stream: TextIO) -> bool:
    """Return what the environment says (https://no-color.org, https://force-color.org, CLICOLOR_FORCE), or a terminal.

    What forbids colour wins. Empty variables say nothing, and CLICOLOR_FORCE says nothing as 0 either.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _can_encode(stream: TextIO) -> bool:
    try:
        SYMBOLS.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
