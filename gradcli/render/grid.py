"""Titled grids of text: the part of a report that every layout shows alike."""

from __future__ import annotations

from dataclasses import dataclass

from gradcli.report.verdict import Verdict

Lines = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A title, rows of cells under headings, and sentences below; a cell of several lines holds a matrix's rows.

    Without headings the first cell of a row names it. A cell that is a verdict is shown with its mark.
    `series` are numbers to draw as a sparkline before the first sentence, where the reader's encoding has blocks.
    """

    title: str
    headings: tuple[str, ...] = ()
    rows: tuple[tuple[Lines | Verdict, ...], ...] = ()
    below: Lines = ()
    series: tuple[float, ...] = ()

    @property
    def is_tall(self) -> bool:
        """Tell whether rows need a line between them to be told apart."""
        return bool(self.headings) and any(
            len(cell) > 1 for row in self.rows for cell in row if isinstance(cell, tuple)
        )
