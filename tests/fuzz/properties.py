"""What holds for any text and any command: an answer or the user's error, soon, and safe to print."""

from __future__ import annotations

import io
import json
import shlex
import sys
import time
import unicodedata
import warnings
from collections.abc import Collection, Sequence
from contextlib import redirect_stderr, redirect_stdout

from gradcli.cli.app import main
from gradcli.errors import ExitCode, GradcliError
from gradcli.inputs import check_reading, notes_on
from gradcli.inputs.programs import read
from gradcli.language.pasted import without_surroundings
from gradcli.render.errors import format_error
from gradcli.settings import Settings

SETTINGS = Settings()
SECONDS_TO_READ = 2.0  # of computing; the longest text takes a tenth of it
LONGEST_MESSAGE = 10_000
# For a command, which is told to give up after eight: those that it computes, and those that a busy machine may take.
SECONDS, SECONDS_BUSY = 10.0, 40.0
ENDS = (ExitCode.OK, ExitCode.MISMATCH, ExitCode.USAGE, ExitCode.UNDECIDED)
VERDICTS = (ExitCode.OK, ExitCode.MISMATCH, ExitCode.UNDECIDED)
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def error_of(text: str) -> GradcliError | None:
    """Return why a text is no program, or None if it is one; any other exception is a defect, and leaves."""
    try:
        program = read(text, SETTINGS)
        list(notes_on(program))
        check_reading(program, SETTINGS)
    except GradcliError as error:
        return error
    return None


def reads(text: str) -> None:
    """Assert that a text is read, or refused with a message that may be shown, within the time for that."""
    started = time.process_time()
    error = error_of(text)
    if error is not None:
        message = format_error(error)
        assert error.exit_code == ExitCode.USAGE, error.message
        assert_presentable(message)
        _assert_points_into(error, text)
    assert time.process_time() - started < SECONDS_TO_READ, f"{len(text)} characters"


def assert_presentable(message: str) -> None:
    """Assert that a message steers no terminal and no log, is encodable, and is no longer than a screen or two."""
    message.encode()
    hidden = [character for character in message if character != "\n" and unicodedata.category(character) in HIDDEN]
    assert not hidden
    assert not any(line.lstrip().startswith("::") for line in message.split("\n")), message
    assert "Traceback" not in message, message
    assert len(message) <= LONGEST_MESSAGE


def _assert_points_into(error: GradcliError, text: str) -> None:
    if error.span is None or error.source is None:
        return
    assert error.source in {text, without_surroundings(text)}
    assert 0 <= error.span.start <= error.span.end <= len(error.source) + 1


def run(arguments: Sequence[str]) -> tuple[int, str, str]:
    """Return the exit code of a command, carried out in this process, and what it wrote to either stream."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    nothing = io.TextIOWrapper(io.BytesIO(), "utf-8")
    before, sys.stdin = sys.stdin, nothing
    try:
        with redirect_stdout(streams[0]), redirect_stderr(streams[1]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = main(arguments)
    finally:
        sys.stdin = before
    written, said = (stream.buffer.getvalue().decode() for stream in streams)  # type: ignore[attr-defined]
    return code, written, said


def ends(arguments: Sequence[str], codes: Collection[int] = ENDS) -> str:
    """Assert that a command ends in time with one of the codes, and that what it prints is safe; return its report."""
    started, begun = time.monotonic(), time.process_time()
    code, written, said = run(arguments)
    seconds, computed = time.monotonic() - started, time.process_time() - begun
    shown = f"{shlex.join(arguments)}\nexit {code} after {seconds:.1f} s\n{written}{said}"
    assert code in codes, shown
    assert computed < SECONDS, shown
    assert seconds < SECONDS_BUSY, shown
    assert "Traceback" not in written + said, shown
    assert not [one for one in written + said if one != "\n" and unicodedata.category(one) in HIDDEN], shown
    if written and "json" in arguments:
        json.loads(written, parse_constant=_not_strict)
    return written


def _not_strict(constant: str) -> None:
    raise AssertionError(constant)
