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
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

from gradcli.deadline import DeadlineError, out_of_time
from gradcli.errors import ExitCode, GradcliError, InputError, InternalError, SeveralFunctionsError, Span
from gradcli.suite.status import TICK, Status, is_wanted

if TYPE_CHECKING:
    from gradcli.render.style import Style
    from gradcli.report.suite import CheckReport
    from gradcli.settings import Settings
    from gradcli.suite.check import Kind, SuiteCheck

CHILD = "gradcli.cli.child"
# Seconds for Python and PyTorch to start, and for the child to say itself that the time is up.
SECONDS_TO_START, GRACE = 120.0, 2.0
# Seconds for a script to leave as Python does, with its threads ended and its files written.
SECONDS_TO_LEAVE = 30.0
POLL = 1.0  # seconds from one look at whether the child is alive to the next
# The most bytes of one line of what the file prints that are held at once: what is longer is shown in pieces.
LONGEST = 1 << 16


def checked_text(target: str, kind: Kind, settings: Settings, form: str, style: Style) -> tuple[str, int]:
    """Return the report of the user's code as text in a format, and the exit code that it asks for.

    Raises SeveralFunctionsError for a file of several, InputError for one that ends its process.
    """
    request = {"target": target, "kind": kind, "settings": settings, "format": form, "style": style}
    answer = _ask(request, settings.timeout, Status(is_on=is_wanted()))
    return answer["text"], int(answer["code"])


def checked_report(check: SuiteCheck) -> CheckReport:
    """Return what a check of a Function came to; raises where its process does not say."""
    answer = _ask({"check": check}, check.settings.timeout, Status(is_on=False))  # of many checks there is a bar
    report: CheckReport = pickle.loads(b64decode(answer["report"]))  # noqa: S301 (it comes from our own module)
    return report


def script_reports(
    script: str, arguments: Sequence[str], settings: Settings, seconds: float | None
) -> Generator[CheckReport, None, None]:
    """Yield what each backward call of a script came to, as it is checked; raises if the script failed.

    `seconds` are for the script and its checks together; None is no limit.
    """
    request = {"script": script, "arguments": tuple(arguments), "settings": settings}
    for answer in _answers(request, seconds, Status(is_on=is_wanted())):
        if "report" in answer:
            yield pickle.loads(b64decode(answer["report"]))  # noqa: S301 (it comes from our own module)


def script_pictures(
    script: str, settings: Settings, form: str, style: Style, seconds: float | None
) -> Generator[dict[str, Any], None, None]:
    """Yield the graph of each backward call of a script that is wanted, as text with its name.

    Raises as `script_reports`. The code is the exit code that a call asks for; one that cannot be looked at has a
    reason in place of the text.
    """
    request = {"script": script, "arguments": (), "settings": settings, "format": form, "style": style}
    for answer in _answers(request, seconds, Status(is_on=is_wanted())):
        if "code" in answer:
            yield answer


def _ask(request: dict[str, Any], seconds: float, status: Status) -> dict[str, Any]:
    """Return the child's answer; the error that it reports, or that there is none, is raised."""
    return next(_answers(request, seconds, status))


def _answers(request: dict[str, Any], seconds: float | None, status: Status) -> Iterator[dict[str, Any]]:
    """Yield the child's answers, the last of them without `more`; the error that it reports is raised.

    So is that it ends without a last one, or takes longer than it may.
    """
    what, line = "script" if "script" in request else "file", None
    with _child(SECONDS_TO_LEAVE if what == "script" else 0.2, status) as (child, reading):
        lines = _Lines(reading, child, status)
        for line in _received(child, lines, request | {"stages": status.is_on}, seconds):
            if line is None or not _has_more(line):
                continue
            answer = json.loads(line)
            if "stage" in answer:
                status.begin(answer["stage"])
            else:
                status.erase()
                yield answer
        if line is None:  # raised in here, so that the child is not waited for
            raise out_of_time(seconds or 0.0, f", and the {what}'s code did not let go")
    yield _read(line, child.returncode, what, has_begun=lines.has_begun)


def _received(
    child: subprocess.Popen[bytes], lines: _Lines, request: dict[str, Any], seconds: float | None
) -> Iterator[bytes | None]:
    """Yield the lines that the child answers with, the last of them without `more`; None if it does not in time.

    An empty line is the first, when the file's time begins.
    """
    _send(child, request)
    line = lines.next(SECONDS_TO_START)
    end = None if seconds is None else time.monotonic() + seconds + GRACE
    if line == b"\n":
        lines.has_begun = True
        line = lines.next(None if end is None else end - time.monotonic())
    while line is not None and _has_more(line):
        yield line
        line = lines.next(None if end is None else end - time.monotonic())
    yield line


def _has_more(line: bytes) -> bool:
    """Return whether a line says that another follows."""
    return line.startswith(b'{"more": true')


@contextmanager
def _child(patience: float, status: Status) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a child, whose prints are shown; yield it with the pipe that it answers on, and end it afterwards."""
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
    shown = threading.Thread(target=_show, args=(child.stdout, status), daemon=True)
    shown.start()
    is_done = False
    try:
        yield child, reading
        is_done = True
    finally:
        status.erase()
        _end(child, patience if is_done else 0.0)
        os.close(reading)
        shown.join(1.0)


def _pipe() -> tuple[int, int]:
    """Return the two ends of a pipe, neither of which is a standard stream: where these are closed, it would be one."""
    import fcntl

    ends = os.pipe()
    reading, writing = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) for end in ends)
    for end in ends:
        os.close(end)
    return reading, writing


def _send(child: subprocess.Popen[bytes], request: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):
        assert child.stdin is not None  # noqa: S101 (it is a pipe)
        child.stdin.write(pickle.dumps(request))
        child.stdin.flush()


class _Lines:
    """The lines that a child writes to a pipe."""

    def __init__(self, pipe: int, child: subprocess.Popen[bytes], status: Status) -> None:
        self._pipe, self._child, self._status = pipe, child, status
        self._found = bytearray()
        self.has_begun = False
        """Whether the file's time has: what ends the child before is none of the file's code."""

    def next(self, seconds: float | None) -> bytes | None:
        """Return the next line, or what there is of it when the child ends; None if it does not come in time."""
        end = None if seconds is None else time.monotonic() + seconds
        while b"\n" not in self._found:
            if not self._is_ready(end):
                return None
            chunk = self._read()
            if not chunk:
                break
            self._found += chunk
        line, newline, rest = self._found.partition(b"\n")
        self._found = rest
        return bytes(line + newline)

    def _is_ready(self, end: float | None) -> bool:
        """Wait until there is something to read, or the child has ended: others may hold the pipe's end open."""
        poll = TICK if self._status.is_on else POLL
        while True:
            self._status.tick()
            left = poll if end is None else min(max(end - time.monotonic(), 0.0), poll)
            if select.select([self._pipe], [], [], left)[0] or self._child.poll() is not None:
                return True
            if end is not None and time.monotonic() >= end:
                return False

    def _read(self) -> bytes:
        """Return what there is; nothing when the pipe is closed."""
        return os.read(self._pipe, LONGEST) if select.select([self._pipe], [], [], 0)[0] else b""


def _end(child: subprocess.Popen[bytes], patience: float) -> None:
    """End the child with all that it started, unless it ends itself within some seconds."""
    with suppress(subprocess.TimeoutExpired):
        child.wait(patience)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    with suppress(BrokenPipeError):
        child.stdin.close()  # type: ignore[union-attr]  # it is a pipe


def _show(stream: IO[bytes], status: Status) -> None:
    """Pass on what the child prints, escaped."""
    from gradcli.escaping import break_commands, escape

    with suppress(ValueError, OSError), stream:
        for line in iter(lambda: stream.readline(LONGEST), b""):
            text = escape(line.decode("utf-8", "backslashreplace").rstrip("\r\n").expandtabs())
            with status.apart(), suppress(OSError, ValueError, AttributeError):  # nobody may be left to read it
                sys.stderr.write(break_commands(text) + "\n")
                sys.stderr.flush()


def _read(line: bytes, code: int | None, what: str, *, has_begun: bool) -> dict[str, Any]:
    if not line.strip() and not has_begun:
        hint = "the fault is not the file's: is gradcli installed completely? `gradcli info` has what a report needs"
        raise InternalError(f"the process that checks a {what} ended before it had begun{_how(code)}", hint=hint)
    if not line.strip():
        hint = "nothing more was checked" if what == "script" else "nothing was checked"
        raise InputError(f"the {what} ended the process that checks it{_how(code)}", hint=hint)
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
