"""What a check came to: as data, as text, and where it ended with an error."""

import json
from dataclasses import fields
from typing import get_args

import pytest

from gradcli.api import check
from gradcli.deadline import DeadlineError, out_of_time
from gradcli.errors import ExitCode, GradcliError, InputError
from gradcli.report.records import keys_of
from gradcli.report.report import Details
from gradcli.report.suite import SuiteReport, check_report, error_report
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


def test_the_text_of_a_check_is_its_data_with_each_key_once() -> None:
    found = check_report(check("w*inf", {"w": 2.0}), "a check", tags=("t",), file="suite.toml", line=3)
    pairs = json.loads(found.to_json(), object_pairs_hook=lambda pairs: pairs)
    keys = [key for key, _ in pairs]
    assert keys[:8] == ["schema", "name", "file", "line", "tags", "seconds", "passed", "gradcli"]
    assert keys == [*found.to_dict()]
    assert json.loads(found.to_json()) == found.to_dict()


def test_no_report_has_a_key_that_the_suite_gives_a_check() -> None:
    given = {"name", "file", "line", "expect", "tags", "seconds", "passed"}
    assert not given & {key for kind in get_args(Details) for entry in fields(kind) for key in keys_of(entry)}


def test_the_text_of_a_check_without_a_report_is_its_data() -> None:
    found = error_report(InputError("there is no 'v'"), "a check", "w")
    assert json.loads(found.to_json()) == found.to_dict()
