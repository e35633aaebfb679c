"""The report as a small table of HTML, for a cell of a notebook: escaped text, without scripts or styles of pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from gradcli.escaping import clip, escape_latex
from gradcli.render.columns import VERDICT, choose
from gradcli.render.formats.table import MARKS
from gradcli.render.grid import Cell, Grid, Lines, Marked, verdict_in
from gradcli.render.view import Row, Section, View, view_of
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict

WIDEST = 10_000  # a page scrolls
LONGEST_NAME, MOST_ROWS = 40, 60  # of LaTeX
LEFT = ' style="text-align: left; vertical-align: top"'


def html(report: Report) -> str:
    """Return the report as HTML."""
    view = view_of(report)
    parts = [_program(view), *map(_section, view.sections), *map(_grid, view.grids), _notes(view), _overall(view)]
    return "<div>\n" + "\n".join(part for part in parts if part) + "\n</div>"


def _program(view: View) -> str:
    output = f"Output <code>{escape(view.output_name)}</code>, {view.output_shape}: {_lines(view.output_value)}"
    program = escape("\n".join(view.program))
    return f"<pre>{program}</pre>\n<p><small>{escape(view.facts)}</small><br>{output}</p>"


def _section(section: Section) -> str:
    columns = choose(section, WIDEST) or ()
    rows = [
        [_verdict(row) if column is VERDICT else _lines(column.cell(row)) for column in columns] for row in section.rows
    ]
    below = [section.left_out_text] if section.left_out else []
    return _table(section.title, [column.heading for column in columns], rows, below)


def _grid(grid: Grid) -> str:
    table = _table(grid.title, grid.headings, [[_cell(cell) for cell in row] for row in grid.rows], grid.below)
    picture = "\n".join(map(escape, grid.picture))
    return f"{table}<pre>{picture}</pre>" if picture else table


def _table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]], below: Sequence[str]) -> str:
    """Return a titled table with sentences below it; the cells are HTML, all else is text."""
    head = "".join(f"<th{LEFT}>{escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td{LEFT}>{cell}</td>' for cell in row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if body else ""
    sentences = "<br>".join(map(escape, below))
    return f"<p><b>{escape(title)}</b></p>{table}" + (f"<p><small>{sentences}</small></p>" if sentences else "")


def _notes(view: View) -> str:
    items = "".join(f"<li><b>{escape(name)}</b>: {escape(note)}</li>" for name, note in view.notes)
    return f"<ul>{items}</ul>" if items else ""


def _overall(view: View) -> str:
    return f"<p>{_marked(view.verdict, f'<b>{escape(str(view.verdict))}</b>')}: {escape(view.verdict_words)}</p>"


def _verdict(row: Row) -> str:
    return escape(row.verdict_text) if row.verdict is None else _marked(row.verdict, escape(row.verdict_text))


def _cell(cell: Cell) -> str:
    return _marked(verdict_in(cell), escape(str(cell))) if isinstance(cell, Verdict | Marked) else _lines(cell)


def _marked(verdict: Verdict, words: str) -> str:
    return f"{MARKS[verdict][0]} {words}"


def _lines(lines: Lines) -> str:
    return "<br>".join(f"<code>{escape(line)}</code>" for line in lines if line)


def latex(report: Report) -> str | None:
    """Return the formulas of the gradients as one block of LaTeX; None if there is none."""
    rows = [
        rf"  \frac{{\partial f}}{{\partial\, {_in_latex(tensor.name)}}} &= {tensor.symbolic.latex}"
        for tensor in report.tensors
        if tensor.symbolic is not None and tensor.symbolic.latex and tensor.symbolic.telling_formula
    ]
    return "\n".join([r"\begin{align*}", " \\\\\n".join(rows[:MOST_ROWS]), r"\end{align*}"]) if rows else None


def _in_latex(name: str) -> str:
    return rf"\mathtt{{{escape_latex(clip(name, LONGEST_NAME))}}}"
