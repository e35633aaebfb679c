"""The report as plain text: what the table says, without box drawing, colour or symbols."""

from __future__ import annotations

from gradcli.render.columns import GAP, INDENT, REPRODUCE, Column, choose, fields, has_formulas_below, mark
from gradcli.render.grid import GUIDES, NARROWEST, Cell, Grid, Lines, Marked, verdict_in
from gradcli.render.plot.braille import ASCII
from gradcli.render.style import Style
from gradcli.render.suite_view import suite_view
from gradcli.render.view import Row, Section, View, view_of
from gradcli.render.wrapping import wrap
from gradcli.report.report import Report
from gradcli.report.suite import SuiteReport
from gradcli.report.verdict import Verdict


def render(report: Report, style: Style) -> str:
    """Return the report as plain text."""
    view = view_of(report)
    blocks = [_heading(view, report.command, style.width), _output(view)]
    blocks += [_section(section, style.width) for section in view.sections]
    blocks += [_extra(grid, style.width) for grid in view.grids]
    if view.notes:
        blocks.append(["Notes", *_pairs(view.notes, style.width)])
    blocks.append(wrap(f"{mark(view.verdict)} {view.verdict}: {view.verdict_words}", style.width))
    blocks += [[REPRODUCE + view.reproduce]] if view.reproduce else []
    return _ascii(blocks)


def render_suite(suite: SuiteReport, style: Style) -> str:
    """Return several checks as plain text: failures last, where a reader of a log looks first."""
    view = suite_view(suite)
    blocks = [_extra(grid, style.width) for grid in view.grids if grid.rows]
    if view.failures:
        blocks.append(["Failures", *(line for failure in view.failures for line in _failure(*failure, style.width))])
    blocks += [[view.left_out]] if view.left_out else []
    return _ascii([*blocks, wrap(f"{mark(view.verdict)} {view.outcome}: {view.summary}", style.width)])


def _failure(title: str, sentences: Lines, command: str, width: int) -> list[str]:
    wrapped = [part for line in sentences for part in wrap(line, width - 2 * INDENT)]
    wrapped += [REPRODUCE + command] if command else []
    return [*_indented(wrap(title, width - INDENT)), *_indented(_indented(wrapped))]


def _ascii(blocks: list[list[str]]) -> str:
    text = "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks) + "\n"
    return text.encode("ascii", "backslashreplace").decode()


def _heading(view: View, command: str, width: int) -> list[str]:
    program = [part for line in view.program for part in _wrapped(line, width - INDENT)]
    head = [f"gradcli {command}  {view.facts}", view.tolerance]
    return [*(line for part in head for line in wrap(part, width)), *_indented(program)]


def _wrapped(line: str, width: int) -> list[str]:
    """Return a line of a program in pieces that fit; one that fits keeps its indentation."""
    return [line] if len(line) <= width else wrap(line, width)


def _output(view: View) -> list[str]:
    if len(view.output_value) == 1:
        shape = "" if view.output_shape == "scalar" else f"  (shape {view.output_shape})"
        return [f"Output {view.output_name}{view.output_sign} {view.output_value[0]}{shape}"]
    return [f"Output {view.output_name}  (shape {view.output_shape})", *_indented(view.output_value)]


def _section(section: Section, width: int) -> list[str]:
    columns = choose(section, width)
    lines = [section.title, *_indented(_stack(section, width - INDENT) if columns is None else _grid(section, columns))]
    if section.left_out:
        lines += _indented((section.left_out_text,))
    if columns is not None and has_formulas_below(section, columns):
        formulas = tuple((row.name, row.formula) for row in section.rows if row.formula)
        lines += ["", *_indented(("formula of the gradient",)), *_pairs(formulas, width)]
    if section.below:
        lines += ["", *_indented(wrap(section.below, width - INDENT))]
    return lines


def _grid(section: Section, columns: tuple[Column, ...]) -> list[str]:
    widths = [column.width(section.rows) for column in columns]
    lines = [
        _joined([column.heading for column in columns], widths),
        _joined(["-" * width for width in widths], widths),
    ]
    tall = any(len(column.cell(row)) > 1 for column in columns for row in section.rows)
    for position, row in enumerate(section.rows):
        if section.left_out and position == section.first:
            lines.append("...")
        if tall and position:
            lines.append("")
        lines += _grid_row([column.cell(row) for column in columns], widths)
    return lines


def _grid_row(cells: list[Lines], widths: list[int]) -> list[str]:
    height = max(map(len, cells))
    filled = [[*cell, *[""] * (height - len(cell))] for cell in cells]
    return [_joined(list(line), widths) for line in zip(*filled, strict=True)]


def _joined(texts: list[str], widths: list[int]) -> str:
    return (" " * GAP).join(text.ljust(width) for text, width in zip(texts, widths, strict=True)).rstrip()


def _extra(grid: Grid, width: int) -> list[str]:
    grid = grid.fitted(width - INDENT, GAP)
    rows = [[_extra_cell(cell) for cell in row] for row in grid.rows]
    if grid.is_tree:
        rows = [[tuple(line.translate(GUIDES) for line in first), *others] for first, *others in rows]
    if rows and not grid.headings:
        rows = _wrapped_last(rows, width - INDENT)
    headings: list[list[Lines]] = [[(heading,) for heading in grid.headings]] if grid.headings else []
    columns = list(zip(*headings, *rows, strict=True))
    widths = [max((len(line) for cell in column for line in cell), default=0) for column in columns]
    head = [*_grid_row(headings[0], widths), _joined(["-" * size for size in widths], widths)] if headings else []
    lines = [line for row in rows for line in (*_grid_row(row, widths), *([""] if grid.is_tall else []))]
    lines = [*(line.translate(ASCII) for line in grid.picture), *head, *(lines[:-1] if grid.is_tall else lines)]
    below = [part for line in grid.below for part in wrap(line, width - INDENT)]
    return [grid.title, *_indented(lines), *([""] if lines and below else []), *_indented(below)]


def _wrapped_last(rows: list[list[Lines]], width: int) -> list[list[Lines]]:
    """Return rows with the last cell, which may be a sentence, in lines that fit."""
    before = sum(max(len(line) for row in rows for line in row[column]) + GAP for column in range(len(rows[0]) - 1))
    room = max(width - before, NARROWEST)
    return [[*row[:-1], tuple(part for line in row[-1] for part in _wrapped(line, room))] for row in rows]


def _extra_cell(cell: Cell) -> Lines:
    return (f"{mark(verdict_in(cell))} {cell}",) if isinstance(cell, Verdict | Marked) else cell


def _stack(section: Section, width: int) -> list[str]:
    lines: list[str] = []
    for position, row in enumerate(section.rows):
        if section.left_out and position == section.first:
            lines += ["...", ""]
        shape = row.shape if row.shape == "scalar" else f"shape {row.shape}"
        lines += [
            f"{row.name}  {shape}  {mark(row.verdict)} {row.verdict_text}",
            *_stacked_fields(section, row, width),
            "",
        ]
    return lines[:-1]


def _stacked_fields(section: Section, row: Row, width: int) -> list[str]:
    columns = [column for column in fields(section) if any(column.cell(row))]
    label = max(len(column.heading) for column in columns) + GAP
    lines = []
    for column in columns:
        first, *others = column.cell(row)
        lines += _indented((column.heading.ljust(label) + first, *(" " * label + other for other in others)))
    if row.formula:
        lines += _pairs((("formula".ljust(label - GAP), row.formula),), width)
    return lines


def _pairs(pairs: tuple[tuple[str, str], ...], width: int) -> list[str]:
    """Return names and texts side by side, the texts wrapped in full."""
    label = max(len(name) for name, _ in pairs) + GAP
    lines = []
    for name, text in pairs:
        wrapped = wrap(text, max(width - INDENT - label, 20)) or [""]
        lines += _indented((name.ljust(label) + wrapped[0], *(" " * label + line for line in wrapped[1:])))
    return lines


def _indented(lines: Lines | list[str]) -> list[str]:
    return [" " * INDENT + line for line in lines]
