"""What rich prints, as text that depends only on the style and not on the environment."""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from urllib.parse import quote

from rich.console import Console, RenderableType
from rich.text import Text

from gradcli.render.style import Style

# A line of code or of a suite, as `model.py:14`.
PLACE = re.compile(r"(?<![\w/.-])(?P<file>/?(?:[\w.-]+/)*[\w.-]+\.(?:py|toml)):(?P<line>\d+)")
COLOUR = re.compile(r"\x1b\[[\d;]*m")
END = re.compile(r"(?: |\x1b\[[\d;]*m)+$")
DOCUMENTATION = "https://docs.pytorch.org/docs/stable/generated/{}.html"
PUBLIC = re.compile(r"torch(?:\.[A-Za-z]\w*)+")


def documentation(name: str) -> str | None:
    """Return the address of PyTorch's page of a function, such as `torch.nn.functional.relu`; None for another name."""
    return DOCUMENTATION.format(name) if PUBLIC.fullmatch(name) else None


def as_link(text: str, url: str) -> str:
    """Return text as a link, as terminals have them (OSC 8)."""
    return f"\x1b]8;;{url}\x1b\\{text}\x1b]8;;\x1b\\"


def linked(text: str) -> str:
    """Return text whose lines of code are links to their files."""
    return PLACE.sub(_link, text)


def _link(place: re.Match[str]) -> str:
    return as_link(place[0], f"file://{quote(str(Path.cwd() / place['file']))}#{place['line']}")


def _without_end(line: str) -> str:
    """Return a line without the spaces at its end, which may stand between changes of colour."""
    return END.sub(lambda end: "".join(COLOUR.findall(end[0])), line.rstrip())


def printed(parts: Iterable[RenderableType], style: Style, *, as_is: bool = False) -> str:
    """Return parts below each other; `as_is` leaves lines as long as they are, as does a text that is not to wrap."""
    stream = StringIO()
    console = Console(
        file=stream,
        width=style.width,
        height=100,
        force_terminal=style.colour,
        color_system="standard" if style.colour else None,
        no_color=not style.colour,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
    for part in parts:
        console.print(part, soft_wrap=as_is or (isinstance(part, Text) and bool(part.no_wrap)))
    text = "\n".join(map(_without_end, stream.getvalue().split("\n")))
    return linked(text) if style.links else text
