"""A line of JSON for each report."""

from __future__ import annotations

from gradcli.render.formats.json import dumps
from gradcli.render.style import Style
from gradcli.report.report import Report
from gradcli.report.suite import SuiteReport

INTERRUPTED = "gradcli.interrupted/1"


def render(report: Report, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return the report as JSON on one line."""
    return dumps(report.to_dict()) + "\n"


def render_suite(suite: SuiteReport, style: Style) -> str:
    """Return a line for each report, and one more if the suite was interrupted."""
    return render_rest(suite, style, 0)


def render_rest(suite: SuiteReport, style: Style, written: int) -> str:  # noqa: ARG001
    """Return the lines that are left once the first `written` reports are out."""
    lines = [check.to_dict() for check in suite.checks[written:]]
    if suite.interrupted:
        said = {"interrupted": True, "asked": suite.asked, "counts": suite.counts, "verdict": str(suite.verdict)}
        lines.append({"schema": INTERRUPTED, **said})
    return "".join(dumps(line) + "\n" for line in lines)
