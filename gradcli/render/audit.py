"""An audit of PyTorch as text: a row an op, what each verdict means, and how many came to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gradcli.escaping import escape
from gradcli.render.coloured import BAD, GOOD, HALF, OPEN, coloured, plain
from gradcli.render.console import as_link, documentation
from gradcli.render.grid import Grid
from gradcli.render.indented_json import indented_json
from gradcli.render.style import Style
from gradcli.render.wrapping import wrap
from gradcli.report.audit import VERDICTS, AuditedOp, AuditReport

HEADINGS = ("op", "verdict", "float64", "float32", "second", "adjoint", "proof", "why")
LOOKS = {
    rf"\b{verdict}(?=  |:)": look for verdict, look in zip(VERDICTS, (GOOD, HALF, GOOD, BAD, OPEN, "dim"), strict=True)
}
NONE = "-"
GAP = 2
# Of what PyTorch or an error says.
LONGEST = 160


def text(report: AuditReport, style: Style) -> str:
    """Return an audit as a reader sees it: a table, and the reasons of what is refuted."""
    rows = tuple(tuple((cell,) for cell in _cells(op)) for op in report.ops)
    grid = Grid("", HEADINGS, rows, spare=("float32", "second", "adjoint")).fitted(style.width, GAP)
    count = f"{len(report.ops)} op{'' if len(report.ops) == 1 else 's'}"
    lines = [f"gradcli audit  torch {report.torch}, {report.device}, {count}", ""]
    shown = (tuple((heading,) for heading in grid.headings), *grid.rows)
    for name, row in zip((None, *(op.name for op in report.ops)), shown, strict=True):
        cells = [
            (cell[0] if isinstance(cell, tuple) else str(cell)).ljust(width)
            for cell, width in zip(row, grid.widths, strict=True)
        ]
        lines.append(_named((" " * GAP).join(cells).rstrip(), name, style))
    reasons = [f"{op.name}: {_why(op)}" for op in report.ops if not op.passed and op.reason]
    counts = [f"{count} {verdict}: {VERDICTS[verdict]}" for verdict, count in report.counts.items()]
    for part in filter(None, (reasons, counts)):
        lines += ["", *(piece for line in part for piece in wrap(escape(line), style.width))]
    return coloured("\n".join(lines) + "\n", style, LOOKS)


def _named(line: str, name: str | None, style: Style) -> str:
    """Return a row whose first cell leads to PyTorch's page of the op, in a terminal that shows links."""
    url = documentation(f"torch.{name}") if name and style.links else None
    return as_link(name, url) + line[len(name) :] if name and url else line


def _cells(op: AuditedOp) -> tuple[str, ...]:
    found = (op.float64, op.float32, op.second, op.adjoint, op.proof, _why(op))
    return (op.name, op.verdict, *(escape(cell) if cell else NONE for cell in found))


def _why(op: AuditedOp) -> str | None:
    """Return the reason on one line, cut where it is long."""
    if op.reason is None:
        return None
    line = " ".join(op.reason.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST].rstrip()} …"


def markdown(report: AuditReport, _: Style) -> str:
    """Return an audit as a page: how many ops came to each verdict, what that means, and the table."""
    command = "audit" if report.device == "cpu" else f"audit --device {report.device}"
    counts = [f"| {verdict} | {count} | {VERDICTS[verdict]} |" for verdict, count in report.counts.items()]
    written = (
        f"Written by `gradcli {command} --format markdown`: {len(report.ops)} ops of PyTorch {report.torch}, on the "
        "samples of its own tests (`torch.testing`), with float64 and float32 gradients beside the derivative, the "
        "second derivative, the adjoint identity u·(J v) = (Jᵀu)·v, and a [proof](proof.md) of the smallest sample."
    )
    parts = [
        "# PyTorch, op by op",
        written,
        "\n".join(["| verdict | ops | meaning |", "|---|---|---|", *counts]),
        "\n".join([_line(HEADINGS), "|" + "---|" * len(HEADINGS), *(_line(_marked(op)) for op in report.ops)]),
    ]
    return "\n\n".join(parts) + "\n"


def _marked(op: AuditedOp) -> tuple[str, ...]:
    name, *cells = _cells(op)
    return (f"`{name}`", *(cell.replace("|", "\\|") for cell in cells))


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


AUDIT_FORMATS: Mapping[str, Callable[[AuditReport, Style], str]] = {
    "table": text,
    "plain": plain(text),
    "json": lambda report, _: indented_json(report.to_dict()),
    "markdown": markdown,
}
