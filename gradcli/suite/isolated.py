"""A user's file, checked in a process of its own: with a time limit, its prints kept apart, no result but a message.

The child gets what to do on its standard input, as pickled data of ours, and answers with one line of JSON on a pipe
that nothing else writes to. Whatever the file does (it exits, it kills the process, it never ends), no answer is an
error. What it prints, to either stream, goes to standard error, escaped. It dies with its parent: its input ends then.
"""

from __future__ import annotations

import json
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from base64 import b64decode
from contextlib import suppress
from io import FileIO
from typing import IO, TYPE_CHECKING, Any

from gradcli.deadline import DeadlineError, out_of_time
from gradcli.errors import ExitCode, GradcliError, InputError, InternalError, SeveralFunctionsError, Span

if TYPE_CHECKING:
    from gradcli.render.style import Style
    from gradcli.report.suite import CheckReport
    from gradcli.settings import Settings
    from gradcli.suite.check import Kind, SuiteCheck

CHILD = "gradcli.cli.child"
# Seconds for Python and PyTorch to start, and for the child to say itself that the time is up.
SECONDS_TO_START, GRACE = 120.0, 2.0
# The most bytes of one line of what the file prints that are held at once: what is longer is shown in pieces.
LONGEST = 1 << 16


def checked_text(target: str, kind: Kind, settings: Settings, form: str, style: Style) -> tuple[str, int]:
    """Return the report of the user's code as text in a format, and the exit code that it asks for.

    Raises SeveralFunctionsError for a file of several, InputError for one that ends its process.
    """
    answer = _ask(
        {"target": target, "kind": kind, "settings": settings, "format": form, "style": style}, settings.timeout
    )
    return answer["text"], int(answer["code"])


def checked_report(check: SuiteCheck) -> CheckReport:
    """Return what a check of a Function came to; raises where its process does not say."""
    answer = _ask({"check": check}, check.settings.timeout)
    report: CheckReport = pickle.loads(b64decode(answer["report"]))  # noqa: S301 (it comes from our own module)
    return report


def _ask(request: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Return the child's answer; the error that it reports, or that there is none, is raised."""
    reading, writing = _pipe()
    command = [sys.executable, "-P", "-m", CHILD, str(writing)]
    child = subprocess.Popen(  # noqa: S603 (our own module)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(writing,),
        start_new_session=True,
    )
    os.close(writing)
    shown = threading.Thread(target=_show, args=(child.stdout,), daemon=True)
    shown.start()
    try:
        line = _answer(child, reading, request, seconds)
    finally:
        _end(child)
        shown.join(1.0)
    if line is None:
        raise out_of_time(seconds, ", and the file's code did not let go")
    return _read(line, child.returncode)


def _pipe() -> tuple[int, int]:
    """Return the two ends of a pipe, neither of which is a standard stream: where these are closed, it would be one."""
    import fcntl

    ends = os.pipe()
    reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) for end in ends)
    for end in ends:
        os.close(end)
    return reading, writing


def _answer(child: subprocess.Popen[bytes], reading: int, request: dict[str, Any], seconds: float) -> bytes | None:
    """Return what the child writes to the pipe until it closes it; None if it does not in time.

    An empty line is the first, when the file's time begins.
    """
    with suppress(BrokenPipeError):
        assert child.stdin is not None  # noqa: S101 (it is a pipe)
        child.stdin.write(pickle.dumps(request))
        child.stdin.flush()
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        begun = _line(pipe, time.monotonic() + SECONDS_TO_START)
        return begun if begun != b"\n" else _line(pipe, time.monotonic() + seconds + GRACE)


def _line(pipe: FileIO, end: float) -> bytes | None:
    """Return a line, or what there is of it when the pipe is closed; None if it does not come in time."""
    found = b""
    while not found.endswith(b"\n"):
        if not select.select([pipe], [], [], max(end - time.monotonic(), 0.0))[0]:
            return None
        chunk = pipe.read(1 if not found else LONGEST)
        if not chunk:
            break
        found += chunk
    return found


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child with all that it started, unless it has ended."""
    with suppress(subprocess.TimeoutExpired):
        child.wait(0.2)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    with suppress(BrokenPipeError):
        child.stdin.close()  # type: ignore[union-attr]  # it is a pipe


def _show(stream: IO[bytes]) -> None:
    """Pass on what the child prints, escaped."""
    from gradcli.escaping import break_commands, escape

    with suppress(ValueError, OSError), stream:
        for line in iter(lambda: stream.readline(LONGEST), b""):
            text = escape(line.decode("utf-8", "backslashreplace").rstrip("\r\n").expandtabs())
            with suppress(OSError, ValueError, AttributeError):  # nobody may be left to read it
                sys.stderr.write(break_commands(text) + "\n")
                sys.stderr.flush()


def _read(line: bytes, code: int | None) -> dict[str, Any]:
    if not line.strip():
        raise InputError(f"the file ended the process that checks it{_how(code)}", hint="nothing was checked")
    answer: dict[str, Any] = json.loads(line)
    error = answer.get("error")
    if error is None:
        return answer
    if error["functions"]:
        raise SeveralFunctionsError(error["reason"], hint=error["hint"], functions=error["functions"])
    span = Span(*error["span"]) if error["span"] else None
    kind = {ExitCode.UNDECIDED: DeadlineError, ExitCode.INTERNAL: InternalError}.get(error["code"], GradcliError)
    raise kind(error["reason"], span=span, source=error["source"], hint=error["hint"])


def _how(code: int | None) -> str:
    if code is not None and code < 0 and -code != signal.SIGKILL:
        return f" ({signal.Signals(-code).name})"
    return f" (exit status {code})" if code is not None and code >= 0 else ""
