"""A line of JSON for each report."""

from __future__ import annotations

from gradcli.render.style import Style
from gradcli.report.records import dumps
from gradcli.report.report import Report
from gradcli.report.suite import SuiteReport

INTERRUPTED = "gradcli.interrupted/1"


def render(report: Report, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return the report as JSON on one line."""
    return dumps(report.to_dict()) + "\n"


def render_suite(suite: SuiteReport, style: Style) -> str:  # noqa: ARG001
    """Return a line for each report, and one more if the suite was interrupted."""
    lines = [check.to_json() for check in suite.checks]
    if suite.interrupted:
        said = {"interrupted": True, "asked": suite.asked, "counts": suite.counts, "verdict": str(suite.verdict)}
        lines.append(dumps({"schema": INTERRUPTED, **said}))
    return "".join(line + "\n" for line in lines)
