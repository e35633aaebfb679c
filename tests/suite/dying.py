"""Executors whose processes die in the middle of a check, as one does that runs out of memory or hangs."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gradcli.report.suite import CheckReport
from gradcli.suite import work
from gradcli.suite.check import Kind, SuiteCheck
from gradcli.suite.executors import ExecutorFactory


class Wrapped(Executor):
    """Hands every check to another executor, in a function that may end its process."""

    def __init__(self, executor: Executor, how: str, folder: Path) -> None:
        self.executor, self.how, self.folder = executor, how, folder

    def submit(self, function: Any, *given: Any) -> Future[Any]:  # type: ignore[override]
        if given:
            job, checks = given
            dying = partial(carry_out, how=self.how, folder=self.folder)
            given = replace(job, prepare=partial(prepare, how=self.how), carry_out=dying), checks
        return self.executor.submit(function, *given)


def place_where(place: ExecutorFactory, how: str, folder: Path) -> ExecutorFactory:
    """Return the place, but that the check called `fatal` ends its process (`once`, `always`), hangs, or stops it."""

    @contextmanager
    def opened(width: int) -> Iterator[Executor]:
        with place.open(width) as executor:
            yield Wrapped(executor, how, folder)

    return replace(place, open=opened)


def prepare(checks: Sequence[SuiteCheck], how: str) -> None:
    if how == "hang":
        work.GRACE = 1.0
    work.prepare_all(checks)


def carry_out(check: SuiteCheck, how: str, folder: Path) -> CheckReport:
    if check.name == "fatal":
        marker = folder / "died"
        first = not marker.exists()
        marker.touch()
        if how == "hang":
            work.RUN = {**work.RUN, Kind.PROGRAM: _hang}
        elif how == "stop" and first:
            os.kill(os.getpid(), signal.SIGSTOP)
        elif how in {"once", "always"} and (first or how == "always"):
            os._exit(9)
    return work.carry_out(check)


def _hang(*_: Any) -> None:
    """Wait where no exception of a signal's handler gets through."""
    while True:
        with suppress(BaseException):
            time.sleep(60)
