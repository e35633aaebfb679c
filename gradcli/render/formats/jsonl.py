"""A line of JSON for each report."""

from __future__ import annotations

from gradcli.render.formats.json import dumps
from gradcli.render.style import Style
from gradcli.report.report import Report
from gradcli.report.suite import SuiteReport


def render(report: Report, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return the report as JSON on one line."""
    return dumps(report.to_dict()) + "\n"


def render_suite(suite: SuiteReport, style: Style) -> str:  # noqa: ARG001
    """Return a line for each report."""
    return "".join(dumps(check.to_dict()) + "\n" for check in suite.checks)
