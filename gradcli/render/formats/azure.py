"""Logging commands for Azure Pipelines: its agent turns them into issues of the run, on lines of a suite.

https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands
"""

from __future__ import annotations

from gradcli.errors import ExitCode
from gradcli.escaping import break_commands, escape
from gradcli.render.style import Style
from gradcli.render.suite_view import sentence, summary
from gradcli.report.suite import CheckReport, SuiteReport


def render_suite(suite: SuiteReport, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return an issue for each failure, the gravest first, and the summary."""
    return "\n".join([*map(_issue, [*suite.failures, *suite.unverified]), f"gradcli: {summary(suite)}"]) + "\n"


def _issue(check: CheckReport) -> str:
    kind = "error" if check.code not in {ExitCode.OK, ExitCode.UNDECIDED} else "warning"
    file, line = check.place
    place = {} if file is None else {"sourcepath": file, "linenumber": str(line or 1)}
    given = {"type": kind, **place, "code": check.outcome}
    properties = "".join(f"{name}={_property(text)};" for name, text in given.items())
    return f"##vso[task.logissue {properties}]{_data(sentence(check))}"


def _data(text: str) -> str:
    """Return a text as the message of a command; `%AZP25` is how the agent wants a percent sign."""
    text = break_commands(escape(text, keep_newlines=True))
    return text.replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Return a text as a value in the brackets of a command, which `]` and `;` would end."""
    return _data(text).replace("]", "%5D").replace(";", "%3B")
