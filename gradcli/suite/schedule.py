"""Many checks, whatever happens to the processes that carry them out: one that kills its process costs only itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from time import monotonic

from gradcli.deadline import out_of_time
from gradcli.errors import InternalError
from gradcli.report.suite import CheckReport
from gradcli.suite.check import SuiteCheck
from gradcli.suite.executors import ExecutorFactory
from gradcli.suite.work import carry_out, longest, started, undecided

# Checks that are handed out for each that runs, so that no process waits for work.
AHEAD = 2
# Seconds for a process to start, or to end a check whose time is up: beyond them it was stopped, and is given up.
SECONDS_OF_SILENCE = 60.0
DIED = "no verdict: the process that carried it out died, and so did a second one that tried it again"
DEAF = ": a call into PyTorch did not end, nor when it was tried again"

Item = tuple[int, SuiteCheck]
Lost = tuple[int, SuiteCheck, float]
"""A check whose process died, and for how long it had been handed out."""
Outcomes = Generator[tuple[int, CheckReport], None, list[Lost]]


def outcomes(checks: Sequence[SuiteCheck], place: ExecutorFactory) -> Generator[tuple[int, CheckReport], None, None]:
    """Yield each check's number and report as it finishes, in any order."""
    waiting = deque(enumerate(checks))
    while waiting:
        lost = yield from _round(waiting, place, place.width, place.width * AHEAD)
        suspects = deque((number, check) for number, check, _ in lost)
        # Which of them ended the process is not known: each is tried once more, with no other beside it.
        while suspects:
            for number, check, seconds in (yield from _round(suspects, place, 1, 1)):
                yield number, undecided(check, _reason(check, seconds))


def _reason(check: SuiteCheck, seconds: float) -> str:
    """Return why a check that had a process for itself has no verdict."""
    limit = check.settings.timeout
    return out_of_time(limit, DEAF).reason if seconds > longest(check) else DIED


def _round(waiting: deque[Item], place: ExecutorFactory, width: int, most: int) -> Outcomes:
    """Yield what finishes until nothing waits or a process dies; return the checks that were handed out then."""
    running: dict[Future[CheckReport], Item] = {}
    begun: dict[int, float] = {}
    lost: list[Item] = []
    with place.open(width) as executor:
        _require(executor, place)
        while (waiting or running) and not lost:
            while waiting and len(running) < most:
                item = waiting.popleft()
                begun[item[0]] = monotonic()
                running[_submit(executor, item[1])] = item
            done = wait(running, _patience(running.values(), place), FIRST_COMPLETED).done
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


def _number(item: Item) -> int:
    return item[0]


def _patience(running: Iterable[Item], place: ExecutorFactory) -> float | None:
    """Return how long processes may say nothing; None where others may keep them busy."""
    return max(longest(check) for _, check in running) + SECONDS_OF_SILENCE if place.own else None


def _require(executor: Executor, place: ExecutorFactory) -> None:
    """Raise InternalError where processes do not even start: no check is to blame, and none can be carried out."""
    try:
        executor.submit(started).result(SECONDS_OF_SILENCE if place.own else None)
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise InternalError(f"the processes that carry out checks do not start: {reason}") from error


def _submit(executor: Executor, check: SuiteCheck) -> Future[CheckReport]:
    try:
        return executor.submit(carry_out, check)
    except BrokenExecutor as error:
        failed: Future[CheckReport] = Future()
        failed.set_exception(error)
        return failed
