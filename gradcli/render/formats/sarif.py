"""SARIF 2.1.0, the format of static analysis results that code hosts and editors read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from gradcli._version import __version__
from gradcli.errors import ExitCode
from gradcli.render.formats.gitlab import fingerprint
from gradcli.render.presentation import WORDS, words_of
from gradcli.render.style import Style
from gradcli.render.suite_view import sentence
from gradcli.report.suite import ERROR, CheckReport, SuiteReport

LEVELS = {ExitCode.OK: "note", ExitCode.UNDECIDED: "warning"}
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render_suite(suite: SuiteReport, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return a run with a result for each failure, the gravest first, then for what was not verified."""
    words = {**{str(verdict): words_of(verdict) for verdict in WORDS}, ERROR: "the check itself is wrong"}
    rules = [{"id": name, "shortDescription": {"text": text}} for name, text in words.items()]
    driver = {"name": "gradcli", "version": __version__, "rules": rules}
    results = [_result(check) for check in (*suite.failures, *suite.unverified)]
    run = {"tool": {"driver": driver}, "results": results, **_invocations(suite.interruption)}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=True) + "\n"


def _invocations(interruption: str | None) -> dict[str, Any]:
    """Return that the run was cut short, if it was."""
    if interruption is None:
        return {}
    notification = {"level": "error", "message": {"text": interruption}}
    return {"invocations": [{"executionSuccessful": False, "toolExecutionNotifications": [notification]}]}


def _result(check: CheckReport) -> dict[str, Any]:
    file, line = check.place
    location = {
        "artifactLocation": {"uri": _uri(file or "")},
        "region": {"startLine": line or 1},
    }
    return {
        "ruleId": check.outcome,
        "level": LEVELS.get(check.code, "error"),
        "message": {"text": sentence(check)},
        "partialFingerprints": {"check/v1": fingerprint(check)},
        **({} if file is None else {"locations": [{"physicalLocation": location}]}),
    }


def _uri(file: str) -> str:
    """Return a file's name as a reference, relative as long as the name is."""
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix(), errors="surrogateescape")
