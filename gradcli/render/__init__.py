"""Report -> text: one module per format, each a pure function of the report and the style."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gradcli.render import json, markdown, plain, several, table
from gradcli.render.style import Style
from gradcli.report import Report, SuiteReport

FORMATS: Mapping[str, Callable[[Report, Style], str]] = {
    "table": table.render,
    "plain": plain.render,
    "json": json.render,
    "jsonl": json.render_line,
    "markdown": markdown.render,
}
SUITE_FORMATS: Mapping[str, Callable[[SuiteReport, Style], str]] = {
    "table": several.joined(table.render, "\n\n"),
    "plain": several.joined(plain.render, "\n\n"),
    "json": several.render_json,
    "jsonl": several.render_lines,
    "markdown": several.joined(markdown.render, "\n---\n\n"),
}
