"""`--exit-zero`: what decides the exit code, and what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gradcli.cli.app import main
from gradcli.deadline import DeadlineError
from gradcli.errors import InputError, InternalError
from gradcli.report.verdict import Verdict

WRONG = ["custom", "--forward", "x**2", "--backward", "x: x*g", "--value", "x=3"]


@pytest.mark.parametrize("verdict", ["mismatch", "undefined", "undecided"])
def test_a_verdict_is_reported_and_does_not_fail(
    session: Any, capsys: pytest.CaptureFixture[str], verdict: str
) -> None:
    session.verdict = Verdict(verdict)
    assert main(["check", "w"]) == Verdict(verdict).exit_code != 0
    without = capsys.readouterr().out
    assert main(["check", "w", "--exit-zero"]) == 0
    assert capsys.readouterr().out == without


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DeadlineError("no verdict within 1 s"), 0),
        (InputError("no"), 2),
        (InternalError("no"), 4),
        (RuntimeError("no"), 4),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_keep_their_codes(
    session: Any, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    session.error = error
    assert main(["check", "w", "--exit-zero"]) == code
    assert "error: " in capsys.readouterr().err


def test_a_suite_fails_only_by_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = tmp_path / "suite.toml"
    suite.write_text('[[check]]\nprogram = "w*w"\nclaim = {w = "w"}\n', encoding="utf-8")
    assert main(["check", str(suite), "--exit-zero", "--format", "concise"]) == 0
    assert "1 check, 1 failed" in capsys.readouterr().out
    suite.write_text(suite.read_text() + '[[check]]\nprogram = "sinn(w)"\n', encoding="utf-8")
    assert main(["check", str(suite), "--exit-zero"]) == 2
    assert main(["check", str(tmp_path / "none.toml"), "--exit-zero"]) == 2


def test_a_function_that_is_wrong_does_not_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(WRONG) == 1
    assert main([*WRONG, "--exit-zero"]) == 0
    assert "mismatch" in capsys.readouterr().out
    assert main(["custom", "none.py:Square", "--exit-zero"]) == 2
