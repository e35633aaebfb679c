"""JUnit's XML: a test case for each check; what is undecided is an error there, because a skipped test passes.

So only what `--no-verify` leaves out is skipped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gradcli.errors import ExitCode
from gradcli.escaping import escape
from gradcli.render.style import Style
from gradcli.render.suite_view import NOTHING, reasons, remarks, sentences
from gradcli.report.suite import CheckReport, SuiteReport

if TYPE_CHECKING:
    from junitparser import TestCase

NO_XML = re.compile("[\ufffe\uffff]")  # what `escape` leaves and XML has not


def render_suite(suite: SuiteReport, style: Style) -> str:  # noqa: ARG001  # every renderer is told the style
    """Return a test suite, its failures first."""
    from junitparser import JUnitXml, TestSuite

    cases = TestSuite("gradcli")
    if suite.interruption:
        cases.add_testcase(_interrupted(suite.interruption))
    for check in [*suite.failures, *(check for check in suite.checks if check.passed)]:
        cases.add_testcase(_case(check))
    document = JUnitXml("gradcli")
    document.add_testsuite(cases)
    text: str = document.tostring().decode("utf-8")  # type: ignore[no-untyped-call]
    return text if text.endswith("\n") else text + "\n"


def _interrupted(words: str) -> TestCase:
    """Return a test case that fails: no reader of the file may take it for the whole suite."""
    from junitparser import Error, TestCase

    case = TestCase("interrupted", classname="gradcli", time=0)
    case.result = [Error(words, type_="interrupted")]
    return case


def _case(check: CheckReport) -> TestCase:
    from junitparser import Error, Failure, IntAttr, Skipped, TestCase
    from junitparser.junitparser import Attr

    class PlacedCase(TestCase):
        """A test case with its place, as pytest and GitLab have it."""

        file = Attr()
        line = IntAttr()

    file, line = check.place
    case = PlacedCase(_text(check.name), classname=_text(file or "gradcli"), time=round(check.seconds, 6))
    if file is not None and line is not None:
        case.file, case.line = _text(file), line
    if not check.passed:
        kind = Failure if check.code is ExitCode.MISMATCH else Error
        result = kind(_text("; ".join(reasons(check)) or check.outcome), type_=check.outcome)
        result.text = _text("\n".join(sentences(check)))
        case.result = [result]
    elif check.unverified:
        case.result = [Skipped(NOTHING, type_=check.outcome)]
    elif check.remarks:
        case.system_out = _text("\n".join(remarks(check)))
    return case


def _text(text: str) -> str:
    return NO_XML.sub("?", escape(text, keep_newlines=True))
