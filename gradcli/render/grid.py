"""Titled grids of text: the part of a report that every layout shows alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gradcli.escaping import shortened
from gradcli.report.verdict import Verdict

Lines = tuple[str, ...]
NARROWEST = 12
# What a tree is drawn with, and what stands for that in ASCII.
GUIDES = str.maketrans({"├": "|", "└": "`", "│": "|", "─": "-"})
MARKED = 2  # columns that a verdict's mark takes


@dataclass(frozen=True, slots=True)
class Marked:
    """A number with a verdict on it, which is shown as its mark alone: a table may have a column of them."""

    verdict: Verdict
    text: str

    def __str__(self) -> str:
        """Return the number."""
        return self.text


Cell = Lines | Verdict | Marked


def left_out(more: int, what: str = "") -> Lines:
    """Return the line about rows that are not shown, if there are any: `what` are they, such as notes?"""
    return (f"... {more:,} more {what}{' ' if what else ''}left out; --json has all",) if more > 0 else ()


@dataclass(frozen=True, slots=True)
class Grid:
    """A title, rows of cells under headings, and sentences below; a cell of several lines holds a matrix's rows.

    Without headings the first cell of a row names it. A cell that is a verdict is shown with its mark.
    `series` are numbers to draw as a sparkline before the first sentence, where the reader's encoding has blocks.
    """

    title: str
    headings: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    below: Lines = ()
    series: tuple[float, ...] = ()
    is_tree: bool = False
    """Whether the first cell of a row begins with the lines of a tree, in box drawing: see `GUIDES`."""
    picture: Lines = ()
    """A drawing of braille dots, above the rows: see `gradcli.render.plot.braille`."""
    spare: tuple[str, ...] = ()
    """Headings of columns that are left out, in this order, where the rows are too wide."""
    last_spare: str = ""
    """The heading of a column that is left out where the rows are too wide and no text can be shortened further."""
    wide: Grid | None = None
    """The same with longer names and formulas: shown in its place where it fits."""

    def fitted(self, width: int, gap: int) -> Grid:
        """Return a grid with headings with its texts shortened until the rows fit; columns stand `gap` apart.

        Only cells of one line are shortened, the widest column first, never below NARROWEST; a tree keeps its own. A
        grid without headings holds sentences, which its layout wraps.
        """
        if self.wide is not None and max(len(self.wide.title), self.wide.width(gap)) <= width:
            return self.wide
        found = self.squeezed(width, gap)
        is_spare = self.last_spare in self.headings and found.width(gap) > width
        return self._without(self.last_spare).fitted(width, gap) if is_spare else found

    def squeezed(self, width: int, gap: int) -> Grid:
        """Return a grid with its texts shortened as far as they may be, `spare` left out, and `last_spare` kept."""
        if not self.headings or (over := self.width(gap) - width) <= 0:
            return self
        for heading in self.spare:
            if heading in self.headings:
                return self._without(heading).squeezed(width, gap)
        column = self._widest_text()
        if column is None:
            return self
        limit = max(self.widths[column] - over, NARROWEST)
        return self._shortened(column, limit).squeezed(width, gap)

    def width(self, gap: int) -> int:
        """Return the width of a row whose columns stand `gap` apart."""
        return sum(self.widths) + gap * (len(self.widths) - 1)

    def _without(self, heading: str) -> Grid:
        kept = [place for place, other in enumerate(self.headings) if other != heading]
        rows = tuple(tuple(row[place] for place in kept) for row in self.rows)
        return replace(self, headings=tuple(self.headings[place] for place in kept), rows=rows)

    @property
    def widths(self) -> list[int]:
        """Return the width of each column."""
        head = [tuple((heading,) for heading in self.headings)] if self.headings else []
        return [max(map(_width, cells)) for cells in zip(*head, *self.rows, strict=True)]

    def _widest_text(self) -> int | None:
        """Return the widest column that can be shortened; None if there is none."""
        able = [
            (max(map(_width, cells)), -column)
            for column, cells in enumerate(zip(*self.rows, strict=True))
            if all(isinstance(cell, tuple) and len(cell) <= 1 for cell in cells) and not (self.is_tree and not column)
        ]
        width, column = max(able, default=(0, 0))
        return -column if width > max(NARROWEST, len(self.headings[-column])) else None

    def _shortened(self, column: int, limit: int) -> Grid:
        limit = max(limit, len(self.headings[column]))
        texts = [cell for row in self.rows if isinstance(cell := row[column], tuple)]
        cells = [tuple(shortened(line, limit) for line in text) for text in texts]
        rows = ((*row[:column], cell, *row[column + 1 :]) for row, cell in zip(self.rows, cells, strict=True))
        return replace(self, rows=tuple(rows))

    @property
    def is_tall(self) -> bool:
        """Tell whether rows need a line between them to be told apart."""
        return bool(self.headings) and any(
            len(cell) > 1 for row in self.rows for cell in row if isinstance(cell, tuple)
        )


def verdict_in(cell: Verdict | Marked) -> Verdict:
    """Return the verdict that a cell is, or that is on it."""
    return cell.verdict if isinstance(cell, Marked) else cell


def _width(cell: Cell) -> int:
    if isinstance(cell, Verdict | Marked):
        return len(str(cell)) + MARKED
    return max(map(len, cell), default=0)
