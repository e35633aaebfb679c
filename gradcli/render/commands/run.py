"""What only `run` reports: which backward call of a script it is."""

from __future__ import annotations

from gradcli.escaping import escape
from gradcli.render.grid import Grid
from gradcli.render.presentation import Presentation
from gradcli.report.run import RunDetails


def grids(details: RunDetails) -> tuple[Grid, ...]:
    """Return one grid: the call, its line, and its number."""
    place = details.source
    line = "" if place is None else f"{escape(place.file)}:{place.line}"
    return (
        Grid("Call of the script", ("call", "line", "number"), (((details.call,), (line,), (str(details.number),)),)),
    )


PRESENTATION = Presentation(grids)
