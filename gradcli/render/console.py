"""What rich prints, as text that depends only on the style and not on the environment."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO

from rich.console import Console, RenderableType
from rich.text import Text

from gradcli.render.style import Style


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
    return "\n".join(line.rstrip() for line in stream.getvalue().split("\n"))
