"""Which verdicts pass, and which fail."""

import pytest

from gradcli.errors import ExitCode
from gradcli.report.verdict import Verdict, fails, worst


@pytest.mark.parametrize("verdict", Verdict)
def test_a_verdict_passes_where_its_exit_code_is_success(verdict: Verdict) -> None:
    assert verdict.passes == (verdict in {"match", "subgradient"}) == (verdict.exit_code is ExitCode.OK)
    assert fails(verdict) == (not verdict.passes)


def test_where_nothing_was_to_be_verified_nothing_fails() -> None:
    assert not fails(None)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], "unverified"),
        ([None, None], "unverified"),
        ([None, "match"], "match"),
        (["match", "unverified"], "unverified"),
        (["subgradient", "unverified"], "unverified"),
        (["unverified", "undecided"], "undecided"),
        (["unverified", "mismatch"], "mismatch"),
        (["unverified", "undefined"], "undefined"),
    ],
)
def test_what_was_not_compared_is_no_match_and_hides_nothing(verdicts: list[str | None], expected: str) -> None:
    assert worst(None if verdict is None else Verdict(verdict) for verdict in verdicts) == expected


def test_what_was_not_compared_is_no_pass() -> None:
    assert not Verdict.UNVERIFIED.passes
    assert Verdict.UNVERIFIED.exit_code is ExitCode.UNDECIDED
