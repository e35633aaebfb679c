"""GitLab's Code Quality report: a list of findings that a merge request shows beside its lines.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import json
from hashlib import sha256

from gradcli.errors import ExitCode
from gradcli.render.style import Style
from gradcli.render.suite_view import sentence
from gradcli.report.suite import CheckReport, SuiteReport

COMMAND_LINE = "command-line"  # the format demands a path
SEVERITIES = {ExitCode.OK: "info", ExitCode.UNDECIDED: "minor"}


def render_suite(suite: SuiteReport, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return a finding for each failure, the gravest first, then for what was not verified."""
    findings = [_finding(check) for check in (*suite.failures, *suite.unverified)]
    if suite.interruption:
        findings.insert(0, _interrupted(suite.interruption))
    return json.dumps(findings, indent=1, ensure_ascii=True) + "\n"


def _interrupted(words: str) -> dict[str, object]:
    return {
        "description": words,
        "check_name": "gradcli/interrupted",
        "fingerprint": _hashed("interrupted"),
        "severity": "major",
        "location": {"path": COMMAND_LINE, "lines": {"begin": 1}},
    }


def _finding(check: CheckReport) -> dict[str, object]:
    file, line = check.place
    return {
        "description": sentence(check),
        "check_name": f"gradcli/{check.outcome}",
        "fingerprint": fingerprint(check),
        "severity": SEVERITIES.get(check.code, "major"),
        "location": {"path": file or COMMAND_LINE, "lines": {"begin": line or 1}},
    }


def fingerprint(check: CheckReport) -> str:
    """Return what tells a failure from others and stays the same when lines move."""
    return _hashed(check.place[0] or "", check.name, check.outcome)


def _hashed(*parts: str) -> str:
    text = "\0".join(parts)
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
