"""Curves as text: each character is two by four dots of braille, which plain text has asterisks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from gradcli.render.grid import Lines
from gradcli.render.numbers import short
from gradcli.render.plot.series import Piece, Range

WIDTH, HEIGHT = 60, 10
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
EMPTY = 0x2800
# What stands for dots in ASCII.
ASCII = {EMPTY + dots: "*" if dots else " " for dots in range(256)} | str.maketrans({"┤": "|", "┼": "+", "─": "-"})


def chart(pieces: Sequence[Piece], across: Range, up: Range) -> Lines:
    """Return pieces of a curve as lines of text, with the ends of both axes."""
    masks = [[0] * WIDTH for _ in range(HEIGHT)]
    for column, row in _dots(pieces, across, up):
        masks[row // 4][column // 2] |= DOTS[row % 4][column % 2]
    labels = [short(up.high), *[""] * (HEIGHT - 2), short(up.low)]
    margin = max(map(len, labels))
    rows = ["".join(chr(EMPTY + mask) for mask in line) for line in masks]
    lines = [f"{label.rjust(margin)} ┤{row}" for label, row in zip(labels, rows, strict=True)]
    low, high = short(across.low), short(across.high)
    below = low + high.rjust(WIDTH - len(low))
    return (*lines, " " * (margin + 1) + "┼" + "─" * WIDTH, " " * (margin + 2) + below)


def _dots(pieces: Iterable[Piece], across: Range, up: Range) -> Iterator[tuple[int, int]]:
    """Yield the dots of all pieces that are in the range, column and row from the top."""
    columns, rows = 2 * WIDTH - 1, 4 * HEIGHT - 1
    for piece in pieces:
        placed = [(across.share(x) * columns, (1 - up.share(y)) * rows) for x, y in piece]
        for column, row in (*_between(placed), *placed[:1]):
            if 0 <= round(column) <= columns and 0 <= round(row) <= rows:
                yield round(column), round(row)


def _between(placed: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield points along lines, a dot apart; of a line far out of the picture, none."""
    for (x, y), (to_x, to_y) in pairwise(placed):
        count = max(1, round(max(abs(to_x - x), abs(to_y - y))))
        if count > 100 * HEIGHT:
            continue
        for step in range(1, count + 1):
            yield x + (to_x - x) * step / count, y + (to_y - y) * step / count
