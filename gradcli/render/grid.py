"""What only some commands report, as titled grids of text: the part that every layout shows alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gradcli.report import Report, Verdict

Lines = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A title, rows of cells under headings, and sentences below; a cell of several lines holds a matrix's rows.

    Without headings the first cell of a row names it. A cell that is a verdict is shown with its mark.
    """

    title: str
    headings: tuple[str, ...] = ()
    rows: tuple[tuple[Lines | Verdict, ...], ...] = ()
    below: Lines = ()


# The fields of a report that only some commands fill, and the grids that show each.
EXTRAS: Mapping[str, Callable[[Any], tuple[Grid, ...]]] = {}


def grids_of(report: Report) -> tuple[Grid, ...]:
    """Return the grids for the fields that this command filled."""
    return tuple(grid for name, value in report.fields() if name in EXTRAS for grid in EXTRAS[name](value))
