"""What a check came to that ended with an error."""

import pytest

from gradcli.deadline import DeadlineError, out_of_time
from gradcli.errors import ExitCode, GradcliError, InputError
from gradcli.report.suite import SuiteReport, error_report
from gradcli.report.verdict import Verdict


@pytest.mark.parametrize(
    ("error", "verdict", "code", "reason"),
    [
        (DeadlineError("no verdict within 1 s"), "undecided", ExitCode.UNDECIDED, "no verdict within 1 s"),
        (InputError("undecided: is not a leaf"), None, ExitCode.USAGE, "undecided: is not a leaf"),
    ],
)
def test_the_reason_does_not_repeat_the_verdict(
    error: GradcliError, verdict: str | None, code: ExitCode, reason: str
) -> None:
    found = error_report(error, "name", "w")
    assert (found.verdict, found.code, found.reason) == (verdict, code, reason)


def test_an_error_of_one_run_says_the_verdict_and_where_it_was_still_running() -> None:
    error = out_of_time(1.0, "; it was still in forward (f.py:3)")
    assert error.message == "undecided: no verdict within 1 s; it was still in forward (f.py:3)"
    assert error.reason == "no verdict within 1 s; it was still in forward (f.py:3)"
    assert error.hint == "`--timeout` raises the limit"


def test_a_part_without_checks_fails_nothing_and_is_no_match() -> None:
    empty = SuiteReport((), 0)
    assert (empty.verdict, empty.exit_code) == (Verdict.UNVERIFIED, ExitCode.OK)
