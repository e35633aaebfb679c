"""An error as text: what is wrong, the source line with a caret under the place, and how to fix it."""

from __future__ import annotations

import re

from gradcli.errors import GradcliError, Span
from gradcli.escaping import break_commands, display_width, escape, escape_character
from gradcli.render.wrapping import wrap

_MAX_COLUMNS = 100
_CODE = re.compile(r"`[^`\n]*`")
_SPACE = "\0"  # stands for a space inside of code, which is not broken
_MAX_MESSAGE = 4000
_CUT = "..."


def format_error(error: GradcliError, width: int | None = None) -> str:
    """Return the lines that a user sees, without a final newline; of a terminal's width, if there is one."""
    lines = paragraph(f"error: {_shown(error.message)}", width)
    if error.source is not None and error.span is not None:
        lines += source_lines(error.source, error.span, min(_MAX_COLUMNS, (width or _MAX_COLUMNS) - 2))
    if error.hint:
        lines += paragraph(f"hint: {_shown(error.hint)}", width)
    return break_commands("\n".join(lines))


def paragraph(text: str, width: int | None) -> list[str]:
    """Return the lines of a text, broken between words where a terminal is narrower, and not inside of code."""
    if width is None:
        return text.split("\n")
    kept = _CODE.sub(lambda code: code[0].replace(" ", _SPACE) if len(code[0]) <= width - 2 else code[0], text)
    broken = (part for line in kept.split("\n") for part in wrap(line, width, hanging=2) or [""])
    return [part.replace(_SPACE, " ") for part in broken]


def source_lines(source: str, span: Span, columns: int = _MAX_COLUMNS) -> list[str]:
    """Return the source line that holds the span's start, and the carets under it; nothing for a blank line."""
    line, start, end = _line_at(source, span)
    if not line.strip():
        return []
    cells = [" " if character == "\t" else escape_character(character) for character in line]
    before, marked, after = _window(cells, start, max(end, start + 1), columns)
    width = max(1, display_width("".join(marked)))
    return [f"  {''.join(before + marked + after)}".rstrip(), "  " + " " * display_width("".join(before)) + "^" * width]


def _shown(text: str) -> str:
    """Escape the text; a message that quotes an enormous input is cut."""
    return escape(text if len(text) <= _MAX_MESSAGE else text[:_MAX_MESSAGE] + _CUT, keep_newlines=True)


def _line_at(source: str, span: Span) -> tuple[str, int, int]:
    """Return the line that holds the span's start, and the span within that line."""
    start = min(max(span.start, 0), len(source))
    begin = max(source.rfind("\n", 0, start), source.rfind("\r", 0, start)) + 1
    finish = min((at for at in (source.find("\n", start), source.find("\r", start)) if at >= 0), default=len(source))
    return source[begin:finish], start - begin, min(max(span.end, start), finish) - begin


def _window(cells: list[str], start: int, end: int, columns: int) -> tuple[list[str], list[str], list[str]]:
    """Cut a long line to what surrounds the marked cells."""
    before, marked, after = cells[:start], cells[start:end], cells[end:]
    if _size(cells) <= columns:
        return before, marked, after
    marked = _head(marked, columns // 2)
    room = columns - _size(marked)
    before = _tail(before, max(room // 2, room - _size(after)))
    return before, marked, _head(after, room - _size(before))


def _size(cells: list[str]) -> int:
    """Return the columns that cells take; a mark that takes none counts as one: thousands would fit on a line."""
    return sum(max(1, display_width(cell)) for cell in cells)


def _head(cells: list[str], columns: int) -> list[str]:
    """Return the first cells that fit into the columns, with a mark where some were cut."""
    if _size(cells[: columns + 1]) <= columns:
        return cells
    return [*_fitting(cells, columns - len(_CUT)), _CUT]


def _tail(cells: list[str], columns: int) -> list[str]:
    """Return the last cells that fit into the columns, with a mark where some were cut."""
    if _size(cells[-columns - 1 :]) <= columns:
        return cells
    return [_CUT, *reversed(_fitting(cells[::-1], columns - len(_CUT)))]


def _fitting(cells: list[str], columns: int) -> list[str]:
    """Return the longest run of first cells that takes at most so many columns."""
    used = 0
    for count, cell in enumerate(cells):
        used += _size([cell])
        if used > columns:
            return cells[:count]
    return cells
