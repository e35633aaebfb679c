"""GitLab's Code Quality report: a list of findings that a merge request shows beside its lines.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import json
from hashlib import sha256

from gradcli.errors import ExitCode
from gradcli.render.style import Style
from gradcli.render.suite_view import reasons, title
from gradcli.report.suite import CheckReport, SuiteReport

COMMAND_LINE = "command-line"  # the format demands a path


def render_suite(suite: SuiteReport, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return a finding for each failure, the gravest first."""
    return json.dumps([_finding(check) for check in suite.failures], indent=1, ensure_ascii=True) + "\n"


def _finding(check: CheckReport) -> dict[str, object]:
    file, line = check.place
    return {
        "description": f"{title(check)}: {'; '.join(reasons(check)) or check.outcome}",
        "check_name": f"gradcli/{check.outcome}",
        "fingerprint": fingerprint(check),
        "severity": "minor" if check.code is ExitCode.UNDECIDED else "major",
        "location": {"path": file or COMMAND_LINE, "lines": {"begin": line or 1}},
    }


def fingerprint(check: CheckReport) -> str:
    """Return what tells a failure from others and stays the same when lines move."""
    text = "\0".join((check.place[0] or "", check.name, check.outcome))
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
