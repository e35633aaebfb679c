"""Many checks, whatever happens to the processes that carry them out: one that kills its process costs only itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from time import monotonic
from typing import Generic, Protocol, TypeVar

from gradcli.deadline import out_of_time
from gradcli.errors import InternalError
from gradcli.report.suite import CheckReport
from gradcli.settings import Settings
from gradcli.suite.check import SuiteCheck
from gradcli.suite.executors import ExecutorFactory
from gradcli.suite.work import carry_out, longest, started, undecided

# Checks that are handed out for each that runs, so that no process waits for work.
AHEAD = 2
# Seconds for a process to start, or to end a check whose time is up: beyond them it was stopped, and is given up.
SECONDS_OF_SILENCE = 60.0
DIED = "no verdict: the process that carried it out died, and so did a second one that tried it again"
DEAF = ": a call into PyTorch did not end, nor when it was tried again"


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

    carry_out: Callable[[Check], Found]
    longest: Callable[[Check], float]
    """The seconds after which a process that still carries one out has ended itself."""
    lost: Callable[[Check, str], Found]
    """What one came to that no process finished, and why."""


OF_SUITES: Job[SuiteCheck, CheckReport] = Job(carry_out, longest, undecided)
Lost = tuple[int, Check, float]
"""A check whose process died, and for how long it had been handed out."""


def outcomes(checks: Sequence[SuiteCheck], place: ExecutorFactory) -> Generator[tuple[int, CheckReport], None, None]:
    """Yield each check's number and report as it finishes, in any order."""
    return outcomes_of(OF_SUITES, checks, place)


def outcomes_of(
    job: Job[Check, Found], checks: Sequence[Check], place: ExecutorFactory
) -> Generator[tuple[int, Found], None, None]:
    """Yield each check's number and what it came to as it finishes, in any order."""
    waiting = deque(enumerate(checks))
    while waiting:
        lost = yield from _round(job, waiting, place, place.width, place.width * AHEAD)
        suspects = deque((number, check) for number, check, _ in lost)
        # Which of them ended the process is not known: each is tried once more, with no other beside it.
        while suspects:
            for number, check, seconds in (yield from _round(job, suspects, place, 1, 1)):
                yield number, job.lost(check, _reason(job, check, seconds))


def _reason(job: Job[Check, Found], check: Check, seconds: float) -> str:
    """Return why a check that had a process for itself has no verdict."""
    limit = check.settings.timeout
    return out_of_time(limit, DEAF).reason if seconds > job.longest(check) else DIED


def _round(
    job: Job[Check, Found], waiting: deque[tuple[int, Check]], place: ExecutorFactory, width: int, most: int
) -> Generator[tuple[int, Found], None, list[Lost[Check]]]:
    """Yield what finishes until nothing waits or a process dies; return the checks that were handed out then."""
    running: dict[Future[Found], tuple[int, Check]] = {}
    begun: dict[int, float] = {}
    lost: list[tuple[int, Check]] = []
    with place.open(width) as executor:
        _require(executor, place)
        while (waiting or running) and not lost:
            while waiting and len(running) < most:
                item = waiting.popleft()
                begun[item[0]] = monotonic()
                running[_submit(job, executor, item[1])] = item
            done = wait(running, _patience(job, running.values(), place), FIRST_COMPLETED).done
            for future in done or [*running]:  # none: all processes stand still
                number, check = running.pop(future)
                if future.done() and future.exception() is None:
                    yield number, future.result()
                else:
                    lost.append((number, check))
    return [
        (number, check, monotonic() - begun[number])
        for number, check in sorted([*lost, *running.values()], key=_number)
    ]


def _number(item: tuple[int, Check]) -> int:
    return item[0]


def _patience(job: Job[Check, Found], running: Iterable[tuple[int, Check]], place: ExecutorFactory) -> float | None:
    """Return how long processes may say nothing; None where others may keep them busy."""
    return max(job.longest(check) for _, check in running) + SECONDS_OF_SILENCE if place.own else None


def _require(executor: Executor, place: ExecutorFactory) -> None:
    """Raise InternalError where processes do not even start: no check is to blame, and none can be carried out."""
    try:
        executor.submit(started).result(SECONDS_OF_SILENCE if place.own else None)
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise InternalError(f"the processes that carry out checks do not start: {reason}") from error


def _submit(job: Job[Check, Found], executor: Executor, check: Check) -> Future[Found]:
    try:
        return executor.submit(job.carry_out, check)
    except BrokenExecutor as error:
        failed: Future[Found] = Future()
        failed.set_exception(error)
        return failed
