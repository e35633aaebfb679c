"""Report -> text: one module per format, each a pure function of the report and the style."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gradcli.render import suite_view
from gradcli.render.formats import github, gitlab, json, junit, markdown, plain, sarif, table
from gradcli.render.style import Style
from gradcli.report.report import Report
from gradcli.report.suite import SuiteReport

FORMATS: Mapping[str, Callable[[Report, Style], str]] = {
    "table": table.render,
    "plain": plain.render,
    "json": json.render,
    "jsonl": json.render_line,
    "markdown": markdown.render,
    "github": github.render,
    "junit": junit.render,
    "gitlab": gitlab.render,
    "sarif": sarif.render,
}
SUITE_FORMATS: Mapping[str, Callable[[SuiteReport, Style], str]] = {
    "table": table.render_suite,
    "plain": plain.render_suite,
    "json": suite_view.render_json,
    "jsonl": suite_view.render_lines,
    "markdown": markdown.render_suite,
    "github": github.render_suite,
    "junit": junit.render_suite,
    "gitlab": gitlab.render_suite,
    "sarif": sarif.render_suite,
}
