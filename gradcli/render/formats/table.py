"""The report as a table for a terminal, with rich."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradcli.render.columns import (
    FORMULA,
    GAP,
    INDENT,
    NAME,
    REPRODUCE,
    VERDICT,
    Column,
    choose,
    fields,
    has_formulas_below,
)
from gradcli.render.console import printed
from gradcli.render.formats import plain
from gradcli.render.grid import Cell, Grid, Lines, Marked, verdict_in
from gradcli.render.sparkline import sparkline
from gradcli.render.style import Style
from gradcli.render.suite_view import SuiteView, suite_view
from gradcli.render.view import Row, Section, View, view_of
from gradcli.report.report import Report
from gradcli.report.suite import SuiteReport
from gradcli.report.verdict import Verdict

MARKS = {
    Verdict.MATCH: ("✓", "green"),
    Verdict.SUBGRADIENT: ("≈", "cyan"),
    Verdict.UNVERIFIED: ("-", "dim"),
    Verdict.MISMATCH: ("✗", "bold red"),
    Verdict.UNDEFINED: ("∅", "red"),
    Verdict.UNDECIDED: ("?", "yellow"),
}
COLUMN_STYLES = {"name": "bold", "shape": "dim", "grad_fn": "dim", "formula": "cyan"}


def render(report: Report, style: Style) -> str:
    """Return the report as a table; in plain text where the reader's encoding has no symbols."""
    if not style.unicode:
        return plain.render(report, style)
    view = view_of(report)
    return printed(_spaced([[part] for part in _parts(view, report.command, style.width)]), style)


def render_suite(suite: SuiteReport, style: Style) -> str:
    """Return several checks as a table: failures last, where a reader of a terminal looks first."""
    if not style.unicode:
        return plain.render_suite(suite, style)
    return printed(_spaced(_suite_parts(suite_view(suite), style.width)), style)


def _suite_parts(view: SuiteView, width: int) -> list[list[RenderableType]]:
    """Return the blocks of a suite's report, each as what stands in it."""
    blocks = [[_extra(grid, width)] for grid in view.grids if grid.rows]
    if view.failures:
        blocks.append([Text("Failures", style="bold"), *(part for found in view.failures for part in _failure(*found))])
    blocks += [[Text(view.left_out, style="dim")]] if view.left_out else []
    return [*blocks, [Text.assemble(_verdict(view.verdict, view.outcome), ": ", view.summary)]]


def _failure(title: str, sentences: Lines, command: str) -> list[RenderableType]:
    below = Padding(Text("\n".join(sentences)), (0, 0, 0, INDENT))
    found = Padding(Group(Text(title, style="bold red"), below), (0, 0, 0, INDENT))
    return [found, *([_reproduce(command, 2 * INDENT)] if command else [])]


def _reproduce(command: str, indent: int = 0) -> Text:
    """Return a command on one line however long it is, so that it can be copied."""
    return Text.assemble(" " * indent, (REPRODUCE, "dim"), command, no_wrap=True)


def _parts(view: View, command: str, width: int) -> list[RenderableType]:
    """Return what stands below each other."""
    parts: list[RenderableType] = [_heading(view, command), _output(view)]
    parts += [_section(section, width) for section in view.sections]
    parts += [_extra(grid, width) for grid in view.grids]
    if view.notes:
        parts.append(_notes(view))
    parts.append(Text.assemble(_verdict(view.verdict, str(view.verdict)), ": ", view.verdict_words))
    return [*parts, *([_reproduce(view.reproduce)] if view.reproduce else [])]


def _spaced(blocks: list[list[RenderableType]]) -> list[RenderableType]:
    """Return what stands in the blocks, with an empty line between them."""
    return [part for block in blocks for part in (*block, Text())][:-1]


def _heading(view: View, command: str) -> RenderableType:
    program = Text("\n".join(view.program), style="bold")
    return Group(
        Text.assemble(("gradcli ", ""), (command, "bold"), (f"  {view.facts}", "dim")),
        *([Text(view.tolerance, style="yellow")] if view.tolerance else []),
        Padding(program, (0, 0, 0, INDENT)),
    )


def _output(view: View) -> RenderableType:
    label = Text.assemble("Output ", (view.output_name, "bold"))
    if len(view.output_value) == 1:
        shape = (f"  (shape {view.output_shape})", "dim") if view.output_shape != "scalar" else ""
        return Text.assemble(label, view.output_sign, " ", (view.output_value[0], "bold"), shape)
    label.append(f"  (shape {view.output_shape})", style="dim")
    return Group(label, Padding(Text("\n".join(view.output_value)), (0, 0, 0, INDENT)))


def _section(section: Section, width: int) -> RenderableType:
    columns = choose(section, width)
    parts: list[RenderableType] = [Text(section.title, style="bold")]
    parts.append(_stack(section) if columns is None else _grid(section, columns))
    if section.left_out:
        parts.append(Padding(Text(section.left_out_text, style="dim"), (0, 0, 0, INDENT)))
    if columns is not None and has_formulas_below(section, columns):
        parts.append(_formulas(section))
    if section.below:
        parts += [Text(), Padding(Text(section.below, style="dim"), (0, 0, 0, INDENT))]
    return Group(*parts)


def _grid(section: Section, columns: tuple[Column, ...]) -> RenderableType:
    tall = any(len(column.cell(row)) > 1 for column in columns for row in section.rows)
    table = _headed(Table(box=SIMPLE_HEAD, leading=int(tall)))
    for column in columns:
        style = COLUMN_STYLES.get(column.heading, "")
        table.add_column(
            Text(column.heading), style=style, header_style="dim", no_wrap=column is not FORMULA, overflow="fold"
        )
    for position, row in enumerate(section.rows):
        if section.left_out and position == section.first:
            table.add_row(Text("…"))
        table.add_row(*(_cell(column, row) for column in columns))
    return Padding(table, (0, 0, 0, INDENT), expand=False)


def _extra(grid: Grid, width: int) -> RenderableType:
    """Return a grid of what only this command reports, with its sentences below."""
    grid = grid.fitted(width - INDENT, GAP)
    parts: list[RenderableType] = [Text(grid.title, style="bold")]
    parts += [Text(" " * INDENT + line, style="cyan", no_wrap=True, overflow="crop") for line in grid.picture]
    if grid.rows:
        parts.append(Padding(_extra_table(grid), (0, 0, 0, INDENT), expand=False))
    if grid.below:
        below = Text("\n".join(grid.below))
        below = Text.assemble((sparkline(grid.series), "cyan"), "  ", below) if grid.series else below
        parts += [*([Text()] if grid.rows or grid.picture else []), Padding(below, (0, 0, 0, INDENT))]
    return Group(*parts)


def _extra_table(grid: Grid) -> Table:
    table = _two_columns() if not grid.headings else _headed(Table(box=SIMPLE_HEAD, leading=int(grid.is_tall)))
    for heading in grid.headings:
        table.add_column(Text(heading), header_style="dim", overflow="fold")
    for row in grid.rows:
        table.add_row(*(_extra_cell(cell) for cell in row))
    return table


def _extra_cell(cell: Cell) -> Text:
    return _verdict(verdict_in(cell), str(cell)) if isinstance(cell, Verdict | Marked) else Text("\n".join(cell))


def _cell(column: Column, row: Row) -> Text:
    if column is VERDICT:
        return _verdict(row.verdict, row.verdict_text)
    text = Text("\n".join(column.cell(row)))
    return Text(text.plain, style="dim") if text.plain == "None" else text


def _verdict(verdict: Verdict | None, words: str) -> Text:
    if verdict is None:
        return Text(f"- {words}" if words else "", style="dim")
    symbol, style = MARKS[verdict]
    return Text(f"{symbol} {words}", style=style)


def _stack(section: Section) -> RenderableType:
    """Return a block per tensor: a line that names it, then a line or more per field."""
    parts: list[RenderableType] = []
    for position, row in enumerate(section.rows):
        if section.left_out and position == section.first:
            parts.append(Text("…"))
        title = Text.assemble(
            (row.name, COLUMN_STYLES[NAME.heading]),
            (f"  {_shape(row)}  ", "dim"),
            _verdict(row.verdict, row.verdict_text),
        )
        grid = _two_columns()
        for column in fields(section):
            if any(column.cell(row)):
                grid.add_row(Text(column.heading, style="dim"), _cell(column, row))
        if row.formula:
            grid.add_row(Text("formula", style="dim"), Text(row.formula, style="cyan"))
        parts += [title, Padding(grid, (0, 0, 1 if position + 1 < len(section.rows) else 0, INDENT))]
    return Padding(Group(*parts), (0, 0, 0, INDENT))


def _shape(row: Row) -> str:
    return row.shape if row.shape == "scalar" else f"shape {row.shape}"


def _formulas(section: Section) -> RenderableType:
    grid = _two_columns()
    for row in section.rows:
        if row.formula:
            grid.add_row(Text(row.name, style="bold"), Text(row.formula, style="cyan"))
    return Group(
        Text(),
        Padding(Text("formula of the gradient", style="dim"), (0, 0, 0, INDENT)),
        Padding(grid, (0, 0, 0, INDENT)),
    )


def _notes(view: View) -> RenderableType:
    grid = _two_columns()
    for name, note in view.notes:
        grid.add_row(Text(name, style="bold"), Text(note))
    return Group(Text("Notes", style="bold"), Padding(grid, (0, 0, 0, INDENT)))


def _headed(table: Table) -> Table:
    table.show_edge = table.pad_edge = False
    table.padding = (0, GAP - 1, 0, 0)
    return table


def _two_columns() -> Table:
    grid = Table.grid(padding=(0, GAP, 0, 0))
    grid.add_column(no_wrap=True, overflow="fold")
    grid.add_column(overflow="fold")
    return grid
