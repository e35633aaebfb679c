"""What a worker process does: carry out one check after the other, with torch and the symbolic worker kept warm."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Generic, Protocol, TextIO, TypeVar

from gradcli.engine import check_function, check_inline, evaluate_code, evaluate_program, prepare
from gradcli.errors import ExitCode, GradcliError, internal
from gradcli.render.errors import format_error
from gradcli.report.report import Report
from gradcli.report.suite import CheckReport, Finding, check_report, error_report
from gradcli.report.verdict import fails
from gradcli.settings import Settings
from gradcli.suite.check import LOADED, Kind, SuiteCheck
from gradcli.suite.isolated import SECONDS_TO_START, checked_report
from gradcli.suite.reproduce import command_of
from gradcli.suite.server import HELD

RUN: Mapping[Kind, Callable[[str, Settings], Report]] = {
    Kind.PROGRAM: evaluate_program,
    Kind.FUNCTION: check_function,
    Kind.TARGET: evaluate_code,
    Kind.FORWARD: check_inline,
}
# Seconds beyond a check's own limit, after which a process that hangs inside a library is ended.
GRACE = 5.0
# Seconds after which a process begins no further check before it has told of those that it has carried out.
SECONDS_IN_TURN = 0.1
# New objects after which Python looks for garbage: a check leaves none in cycles, and some that are kept.
COLLECTS_AFTER = 1 << 16
ONE_AT_A_TIME = threading.Lock()  # a Dask worker may have several threads; the symbolic worker is one


class Limited(Protocol):
    """What a worker process carries out within its settings' time limit."""

    @property
    def settings(self) -> Settings:
        """Return the settings."""


Check = TypeVar("Check", bound=Limited)
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Job(Generic[Check, Found]):
    """What is done with each of many checks, by functions that worker processes import."""

    prepare: Callable[[Sequence[Check]], None]
    """Loads what some need, which their time limit leaves out; what goes wrong, `carry_out` finds too."""
    carry_out: Callable[[Check], Found]
    longest: Callable[[Check], float]
    """The seconds after which a process that still carries one out has ended itself."""
    lost: Callable[[Check, str], Found]
    """What one came to that no process finished, and why."""


def start_worker() -> None:
    """Prepare a process of the local pool: Ctrl-C is its parent's business, and it does not outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
    gc.set_threshold(COLLECTS_AFTER)
    warnings.simplefilter("ignore")  # PyTorch's: a run of that check alone shows them
    threading.Thread(target=_end_with_parent, daemon=True).start()


def started() -> bool:
    """Tell that the process is there."""
    return True


def in_turn(job: Job[Check, Found], checks: Sequence[Check]) -> list[Found]:
    """Return what the first of some checks come to, as many as there is time for before others can be told of them.

    A process that hangs where no signal reaches it ends itself, so that its pool sees it die. The checks have the same
    time limit; it begins once what they need is loaded.
    """
    found: list[Found] = []
    with ONE_AT_A_TIME:
        with suppress(Exception):  # an installation that is broken, each check tells as what it is
            job.prepare(checks)
        with ended_after(job.longest(checks[0]) + SECONDS_IN_TURN):
            until = time.monotonic() + SECONDS_IN_TURN
            for check in checks:
                found.append(job.carry_out(check))
                if time.monotonic() > until:
                    break
    return found


def prepare_all(checks: Sequence[SuiteCheck]) -> None:
    """Load what checks need; what is loaded then stays, so that no search for garbage looks at it again."""
    first = next((check for check in checks if check.kind not in LOADED), None)
    if first is None:
        return
    is_loaded = "torch" in sys.modules
    prepare(first.program, first.settings)
    if not is_loaded:
        gc.freeze()


def carry_out(check: SuiteCheck) -> CheckReport:
    """Return what a check came to; whatever goes wrong in it is its own.

    A file of the user's is loaded in one more process, which loads what it needs itself.
    """
    started = time.perf_counter()
    found = isolated(check) if check.kind in LOADED else attempted(check)
    return replace(found, seconds=time.perf_counter() - started)


@contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """End this process if the block takes longer, even where it hangs inside a library."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=_watchdog_log())
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def longest(check: SuiteCheck) -> float:
    """Return the seconds after which a process that still carries out a check is ended.

    A file's own time begins when its process has started.
    """
    start = SECONDS_TO_START if check.kind in LOADED else 0.0
    return start + check.settings.timeout + GRACE


def undecided(check: SuiteCheck, reason: str) -> CheckReport:
    """Return what a check came to that no process finished."""
    error = GradcliError(reason)
    error.exit_code = ExitCode.UNDECIDED
    return _without_report(check, error)


def isolated(check: SuiteCheck) -> CheckReport:
    """Return what a check of a Function came to, whose file is loaded in a process of its own."""
    try:
        return checked_report(check)
    except GradcliError as error:
        return _without_report(check, error)
    except Exception as error:  # noqa: BLE001  # as below
        return _without_report(check, internal(error))


def report_of(check: SuiteCheck) -> Report:
    """Return the report of a check, of a Function that is loaded here too."""
    return RUN[check.kind](check.program, check.settings)


def attempted(check: SuiteCheck) -> CheckReport:
    """Return what a check came to in this process."""
    return settled(check)[0]


def settled(check: SuiteCheck) -> tuple[CheckReport, Report | None]:
    """Return what a check came to in this process, and its report if there is one."""
    try:
        report = report_of(check)
        if fails(report.verdict) or check.expect not in {None, report.verdict}:
            report = replace(report, reproduce=command_of(check, report.seed))
        found = _found(check, report)
    except GradcliError as error:
        return _without_report(check, error), None
    except Exception as error:  # noqa: BLE001  # a defect costs only this check, and is told as what it is
        return _without_report(check, internal(error)), None
    else:
        return found, report


def _found(check: SuiteCheck, report: Report) -> CheckReport:
    found = check_report(report, check.name, check.expect, tags=check.tags, file=check.file, line=check.line)
    said = check.file is not None and found.findings
    return replace(found, findings=tuple(map(_in_toml, said))) if said else found


def _without_report(check: SuiteCheck, error: GradcliError) -> CheckReport:
    if check.file is not None:
        error = _as_in_toml(error)
    place: dict[str, Any] = {"tags": check.tags, "file": check.file, "line": check.line, "expect": check.expect}
    found = error_report(error, check.name, check.program, reproduce=command_of(check), **place)
    if found.verdict is None:
        return replace(found, stderr=_stderr(check, error))
    return replace(found, code=ExitCode.OK) if found.verdict is check.expect else found


def _as_in_toml(error: GradcliError) -> GradcliError:
    """Return an error as one that speaks of a suite's keys, with the exit code that it has."""
    hint = None if error.hint is None else _said(error.hint)
    said = GradcliError(_said(error.reason), span=error.span, source=error.source, hint=hint)
    said.exit_code = error.exit_code
    return said


def _in_toml(finding: Finding) -> Finding:
    """Return a finding whose notes speak of a suite's keys."""
    return replace(finding, notes=tuple(replace(note, words=_said(note.words)) for note in finding.notes))


def _said(text: str) -> str:
    """Return a message as one about a suite's keys; pydantic, which knows them, is loaded only where it is needed."""
    if "--" not in text:
        return text
    from gradcli.suite.wording import in_toml

    return in_toml(text)


def _stderr(check: SuiteCheck, error: GradcliError) -> str:
    """Return an error as one program's is told, with where its check is written."""
    where = "" if check.file is None else f"{check.file}:{check.line}: "
    placed = GradcliError(f"{where}{error.message}", span=error.span, source=error.source, hint=error.hint)
    return format_error(placed)


@cache
def _watchdog_log() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  # os.devnull is nobody's path


def _end_with_parent() -> None:
    """Wait for the parent's end: a worker of a killed pool would wait for work for ever."""
    from multiprocessing import connection, parent_process

    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(ExitCode.INTERNAL)
