"""Several reports: one after the other with a summary, as one JSON object, or a line of JSON each."""

from __future__ import annotations

import json
from collections.abc import Callable

from gradcli.render.json import render_line
from gradcli.render.style import Style
from gradcli.report import Report, SuiteReport


def joined(render: Callable[[Report, Style], str], between: str) -> Callable[[SuiteReport, Style], str]:
    """Return the renderer of several reports that `render` renders one of."""

    def render_all(suite: SuiteReport, style: Style) -> str:
        return between.join([*(render(check, style) for check in suite.checks), summary(suite) + "\n"])

    return render_all


def summary(suite: SuiteReport) -> str:
    """Return how many checks there were, and how many came to each verdict."""
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in suite.counts.items())
    return f"{len(suite.checks):,} checks" + (f": {counts}" if counts else "")


def render_json(suite: SuiteReport, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return all reports as one JSON object."""
    return json.dumps(suite.to_dict(), allow_nan=False, ensure_ascii=True) + "\n"


def render_lines(suite: SuiteReport, style: Style) -> str:
    """Return a line of JSON for each report."""
    return "".join(render_line(check, style) for check in suite.checks)
