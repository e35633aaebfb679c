"""`gradcli cache`."""

from __future__ import annotations

from typing import Annotated

import typer

from gradcli.cli.options import ColourOption


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove the derivatives that are kept.")] = False,
    color: ColourOption = "auto",  # noqa: ARG001  # every command takes it; this has no colour
) -> int:
    """Show where derivatives are kept between runs, how many and how large, or remove them.

    They are data, of this version of gradcli and SymPy alone. `--no-cache` of
    the other commands, or GRADCLI_NO_CACHE=1, does without them.

    Examples:
      gradcli cache
      gradcli cache --clear
    """
    from gradcli.cli.output import write
    from gradcli.derivation import store
    from gradcli.errors import InternalError
    from gradcli.escaping import escape

    place = store.folder()
    if clear and (left := store.clear(place)):
        raise InternalError(f"{left:,} files in '{place}' cannot be removed")
    count, size = store.size_of(place)
    lines = {"path": escape(str(place)), "entries": f"{count:,}", "bytes": f"{size:,}"}
    write("".join(f"{name:<10}{value}\n" for name, value in lines.items()), None)
    return 0
