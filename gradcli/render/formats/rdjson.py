"""Reviewdog's Diagnostic Format as one JSON object: reviewdog makes comments of a review of it, on any code host.

https://github.com/reviewdog/reviewdog/tree/master/proto/rdf
"""

from __future__ import annotations

import json
from typing import Any

from gradcli.errors import ExitCode
from gradcli.render.formats.gitlab import COMMAND_LINE
from gradcli.render.style import Style
from gradcli.render.suite_view import sentence
from gradcli.report.suite import CheckReport, SuiteReport

SEVERITIES = {ExitCode.OK: "INFO", ExitCode.UNDECIDED: "WARNING"}


def render_suite(suite: SuiteReport, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return a diagnostic for each failure, the gravest first."""
    listed = [*suite.failures, *suite.unverified]
    found = {"source": {"name": "gradcli"}, "diagnostics": [*_interrupted(suite), *map(_diagnostic, listed)]}
    return json.dumps(found, indent=1, ensure_ascii=True) + "\n"


def _interrupted(suite: SuiteReport) -> list[dict[str, Any]]:
    """Return the diagnostic that not all checks ran, if it is so."""
    words = suite.interruption
    return [{"message": words, "location": {"path": COMMAND_LINE}, "severity": "WARNING"}] if words else []


def _diagnostic(check: CheckReport) -> dict[str, Any]:
    file, line = check.place
    return {
        "message": sentence(check),
        "location": {
            "path": file or COMMAND_LINE,
            "range": {"start": {"line": line or 1}},
        },
        "severity": SEVERITIES.get(check.code, "ERROR"),
        "code": {"value": check.outcome},
    }
