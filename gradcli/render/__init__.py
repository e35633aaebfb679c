"""Report -> text: one module per format, each a pure function of the report and the style."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gradcli.render import json, markdown, plain, table
from gradcli.render.style import Style
from gradcli.report import Report

FORMATS: Mapping[str, Callable[[Report, Style], str]] = {
    "table": table.render,
    "plain": plain.render,
    "json": json.render,
    "jsonl": json.render_line,
    "markdown": markdown.render,
}
