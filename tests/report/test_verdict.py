"""Which verdicts pass, and which fail."""

import pytest

from gradcli.errors import ExitCode
from gradcli.report.verdict import Verdict, fails


@pytest.mark.parametrize("verdict", Verdict)
def test_a_verdict_passes_where_its_exit_code_is_success(verdict: Verdict) -> None:
    assert verdict.passes == (verdict in {"match", "subgradient"}) == (verdict.exit_code is ExitCode.OK)
    assert fails(verdict) == (not verdict.passes)


def test_where_nothing_was_to_be_verified_nothing_fails() -> None:
    assert not fails(None)
