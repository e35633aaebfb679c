"""A line for each check that does not pass, or of which there is something to say, and a last line with the counts.

Editors and `grep` read `file:line: verdict: words`.
"""

from __future__ import annotations

from gradcli.escaping import clip
from gradcli.render.style import Style
from gradcli.render.suite_view import place, reasons, remarks, summary, title
from gradcli.report.suite import CheckReport, SuiteReport

LONGEST_PROGRAM = 100


def render_suite(suite: SuiteReport, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return a line for each failure, the gravest first, then for what passes with a remark, and the counts."""
    listed = [*suite.failures, *suite.unverified, *suite.remarked]
    return "".join(f"{line}\n" for line in [*map(_line, listed), f"gradcli: {summary(suite)}"])


def _line(check: CheckReport) -> str:
    """Return a failure as one line; a program of the command line stands in the place of its file."""
    words = [*([title(check)] if place(check) else []), "; ".join(reasons_after_verdict(check) or remarks(check))]
    return ": ".join([place(check) or clip(check.name, LONGEST_PROGRAM), check.outcome, *filter(None, words)])


def reasons_after_verdict(check: CheckReport) -> tuple[str, ...]:
    """Return why a check failed, for a line that has said its verdict already."""
    return tuple(reason.removeprefix(f"{check.outcome}: ") for reason in reasons(check))
