"""Annotations for GitHub Actions: workflow commands that its log turns into marks on lines of a suite.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from gradcli.errors import ExitCode
from gradcli.render.style import Style
from gradcli.render.suite_view import reasons, remarks, summary
from gradcli.report.suite import CheckReport, SuiteReport

MOST_ANNOTATIONS = 10  # GitHub shows no more of a step
LEVELS = {ExitCode.OK: "notice", ExitCode.UNDECIDED: "warning"}


def render_suite(suite: SuiteReport, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return an annotation for each of the gravest failures, then for what passes with a remark, and the summary."""
    listed = [*suite.failures, *suite.unverified, *suite.remarked]
    lines = [_annotation(check) for check in listed[:MOST_ANNOTATIONS]]
    more = len(listed) - len(lines)
    lines += [f"... {more:,} more"] if more else []
    if suite.interruption:
        lines.insert(0, f"::error title=gradcli::{_data(suite.interruption)}")
    return "\n".join([*lines, f"gradcli: {summary(suite)}"]) + "\n"


def _annotation(check: CheckReport) -> str:
    level = LEVELS.get(check.code, "error")
    file, line = check.place
    place = {} if file is None else {"file": file, "line": str(line)}
    given = {**place, "title": f"{check.name}: {check.outcome}"}
    properties = ",".join(f"{name}={_property(text)}" for name, text in given.items())
    message = "\n".join(reasons(check) or remarks(check)) or check.outcome
    return f"::{level} {properties}::{_data(message)}"


def _data(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    from gradcli.escaping import escape

    return _data(escape(" ".join(text.split()))).replace(":", "%3A").replace(",", "%2C")
