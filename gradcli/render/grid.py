"""Titled grids of text: the part of a report that every layout shows alike."""

from __future__ import annotations

from dataclasses import dataclass

from gradcli.report import Verdict

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
