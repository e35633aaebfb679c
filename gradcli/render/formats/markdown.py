"""The report as Markdown, for an issue, a notebook or a README."""

from __future__ import annotations

import re

from gradcli.render.columns import FORMULA, VERDICT, Column, choose
from gradcli.render.grid import Cell, Grid, Lines, Marked, verdict_in
from gradcli.render.style import Style
from gradcli.render.suite_view import suite_view
from gradcli.render.view import Row, Section, View, view_of
from gradcli.report.report import Report
from gradcli.report.suite import SuiteReport
from gradcli.report.verdict import Verdict

SPAN = re.compile("`([^`]+)`")
# What is prose: two words, or something quoted in it.
SENTENCE = re.compile("[a-z]{2,} [a-z]{2,}|`[^`]+`")
WIDEST = 10_000  # Markdown tables have no width
MARKS = {"match": "✓", "subgradient": "≈", "unverified": "-", "mismatch": "✗", "undefined": "∅", "undecided": "?"}


def render(report: Report, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return the report as Markdown."""
    view = view_of(report)
    blocks = [_program(view), f"{view.facts}  ", prose(view.tolerance), _output(view)]
    for section in view.sections:
        blocks += [f"**{section.title}**", _table(section)]
        if section.left_out:
            blocks.append(f"*{section.left_out_text}*")
        if section.below:
            blocks.append(prose(section.below))
    for grid in view.grids:
        blocks += [f"**{prose(grid.title)}**", _picture(grid), _extra(grid), "\n".join(map(prose, grid.below))]
    if view.notes:
        blocks.append("\n".join(f"- {code(name)}: {prose(note)}" for name, note in view.notes))
    blocks += [_overall(view), _shell(view.reproduce)]
    return "\n\n".join(block.strip() for block in blocks if block.strip()) + "\n"


def render_suite(suite: SuiteReport, style: Style) -> str:  # noqa: ARG001
    """Return several checks as Markdown: failures first, where a reader of a page looks first."""
    view = suite_view(suite)
    blocks = [f"{MARKS[view.verdict]} **{view.outcome}**: {prose(view.summary)}"]
    if view.failures:
        blocks += ["**Failures**", "\n".join(_failure(*failure) for failure in view.failures)]
    blocks.append(prose(view.left_out))
    for grid in view.grids:
        blocks += [f"**{grid.title}**", _extra(grid)] if grid.rows else []
    return "\n\n".join(block.strip() for block in blocks if block.strip()) + "\n"


def _failure(title: str, sentences: Lines, command: str) -> str:
    lines = [f"- {code(title)}", *(f"  - {prose(sentence)}" for sentence in sentences)]
    shell = _shell(command).splitlines()
    return "\n".join([*lines, *(["", *(f"  {line}" for line in shell), ""] if shell else [])])


def _shell(command: str) -> str:
    """Return a command, which is one line, as a block that a shell may be given; no backtick in it ends the block."""
    return f"```sh\n{command}\n```" if command else ""


def code(text: str) -> str:
    """Return the text as a code span that no backtick in it can end and no bar can split across cells."""
    if not text:
        return ""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", r"\|")


def prose(text: str) -> str:
    """Return a sentence with what stands in backticks as code, and every other character escaped that is markup."""
    parts = SPAN.split(text)
    return "".join(code(part) if place % 2 else _escaped(part) for place, part in enumerate(parts))


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~!$&])", r"\\\1", text)


def _program(view: View) -> str:
    longest = max((len(run) for line in view.program for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}python", *view.program, fence])


def _output(view: View) -> str:
    shape = "" if view.output_shape == "scalar" else f" (shape {view.output_shape})"
    return f"Output {code(view.output_name)}{shape} = {_lines(view.output_value)}"


def _table(section: Section) -> str:
    columns = choose(section, WIDEST) or ()
    if section.shows_formula and FORMULA not in columns:
        columns = (*columns[:-1], FORMULA, columns[-1])
    rows = [_row([column.heading for column in columns]), _row(["---"] * len(columns))]
    for position, row in enumerate(section.rows):
        if section.left_out and position == section.first:
            rows.append(_row(["...", *[""] * (len(columns) - 1)]))
        rows.append(_row([_cell(column, row) for column in columns]))
    return "\n".join(rows)


def _picture(grid: Grid) -> str:
    """Return a drawing as a block; none of its characters is markup there."""
    return "\n".join(["```text", *grid.picture, "```"]) if grid.picture else ""


def _extra(grid: Grid) -> str:
    if not grid.rows:
        return ""
    if not grid.headings:
        return "\n".join(f"- {code(_first(row[0]))}: {_sentences(row[1:])}" for row in grid.rows)
    headings = list(grid.headings)
    return "\n".join(
        [
            _row(headings),
            _row(["---"] * len(headings)),
            *(_row([_extra_cell(cell) for cell in _kept_apart(row, grid)]) for row in grid.rows),
        ]
    )


def _first(cell: Cell) -> str:
    return cell[0] if isinstance(cell, tuple) and cell else ""


def _sentences(cells: tuple[Cell, ...]) -> str:
    """Return the cells beside a name: sentences as prose, and numbers as code."""
    return "<br>".join(
        f"{MARKS[verdict_in(cell)]} {cell}"
        if isinstance(cell, Verdict | Marked)
        else "<br>".join(map(_prose_or_code, filter(None, cell)))
        for cell in cells
    )


def _prose_or_code(line: str) -> str:
    return prose(line) if SENTENCE.search(line) else code(line)


def _kept_apart(row: tuple[Cell, ...], grid: Grid) -> tuple[Cell, ...]:
    """Return a row; of a tree with spaces before its name that a reader of Markdown does not take for one."""
    if not grid.is_tree or isinstance(row[0], Verdict | Marked):
        return row
    return tuple(line.replace(" ", "\N{NO-BREAK SPACE}") for line in row[0]), *row[1:]


def _extra_cell(cell: Cell) -> str:
    return f"{MARKS[verdict_in(cell)]} {cell}" if isinstance(cell, Verdict | Marked) else _lines(cell)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(column: Column, row: Row) -> str:
    if column is VERDICT:
        return f"{MARKS[row.verdict]} {row.verdict_text}" if row.verdict else row.verdict_text
    return _lines(column.cell(row))


def _lines(lines: Lines) -> str:
    return "<br>".join(prose(line) if SPAN.search(line) else code(line) for line in lines if line)


def _overall(view: View) -> str:
    return f"{MARKS[view.verdict]} **{view.verdict}**: {prose(view.verdict_words)}"
