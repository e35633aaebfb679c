"""Many checks, whatever happens to the processes that carry them out: one that kills its process costs only itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import closing
from itertools import chain
from time import monotonic

from gradcli.deadline import out_of_time
from gradcli.errors import InternalError
from gradcli.report.suite import CheckReport
from gradcli.suite.check import SuiteCheck
from gradcli.suite.executors import ExecutorFactory
from gradcli.suite.work import Check, Found, Job, carry_out, in_turn, longest, prepare_all, started, undecided

# Tasks that are handed out for each that runs, so that no process waits for work.
AHEAD = 2
# Checks of a task: handing one out takes as long as a third of a small program's check.
MOST_AT_ONCE = 32
# Seconds for a process to start, or to end a check whose time is up: beyond them it was stopped, and is given up.
SECONDS_OF_SILENCE = 60.0
DIED = "no verdict: the process that carried it out died, and so did a second one that tried it again"
DEAF = ": a call into PyTorch did not end, nor when it was tried again"


OF_SUITES: Job[SuiteCheck, CheckReport] = Job(prepare_all, carry_out, longest, undecided)
Numbered = tuple[int, Check]
Lost = tuple[int, Check, float]
"""A check whose process died, and for how long it had been handed out."""


def outcomes(checks: Sequence[SuiteCheck], place: ExecutorFactory) -> Generator[tuple[int, CheckReport], None, None]:
    """Yield each check's number and report as it finishes, in any order."""
    numbers = alike_together(checks)
    with closing(outcomes_of(OF_SUITES, [checks[number] for number in numbers], place)) as found:
        yield from ((numbers[position], report) for position, report in found)


def alike_together(checks: Sequence[SuiteCheck]) -> list[int]:
    """Return the numbers of the checks, those of a program together, in the order of the first of each.

    What a process has read and derived for one of them serves it for the next, and no other process has to.
    """
    first: dict[str, int] = {}
    for number, check in enumerate(checks):
        first.setdefault(check.program, number)
    return sorted(range(len(checks)), key=lambda number: first[checks[number].program])


def outcomes_of(
    job: Job[Check, Found], checks: Sequence[Check], place: ExecutorFactory
) -> Generator[tuple[int, Found], None, None]:
    """Yield each check's number and what it came to as it finishes, in any order."""
    waiting = deque[Numbered[Check]](enumerate(checks))
    while waiting:
        lost = yield from _round(job, waiting, place, place.width, place.width * AHEAD, MOST_AT_ONCE)
        suspects = deque[Numbered[Check]]((number, check) for number, check, _ in lost)
        # Which of them ended the process is not known: each is tried once more, with no other beside it.
        while suspects:
            for number, check, seconds in (yield from _round(job, suspects, place, 1, 1, 1)):
                yield number, job.lost(check, _reason(job, check, seconds))


def _reason(job: Job[Check, Found], check: Check, seconds: float) -> str:
    """Return why a check that had a process for itself has no verdict."""
    limit = check.settings.timeout
    return out_of_time(limit, DEAF).reason if seconds > job.longest(check) else DIED


def _round(  # noqa: PLR0917 (how many tasks there are, and of what size)
    job: Job[Check, Found],
    waiting: deque[Numbered[Check]],
    place: ExecutorFactory,
    width: int,
    most: int,
    at_once: int,
) -> Generator[tuple[int, Found], None, list[Lost[Check]]]:
    """Yield what finishes until nothing waits or a process dies; return the checks that were handed out then.

    A process carries out as many of a task's checks as it has time for; the others are handed out again.
    """
    running: dict[Future[list[Found]], list[Numbered[Check]]] = {}
    begun: dict[int, float] = {}
    lost: list[Numbered[Check]] = []
    with place.open(width) as executor:
        _require(executor, place)
        while (waiting or running) and not lost:
            while waiting and len(running) < most:
                items = _next(job, waiting, min(at_once, -(-len(waiting) // (2 * most))))
                begun.update(dict.fromkeys((number for number, _ in items), monotonic()))
                running[_submit(job, executor, [check for _, check in items])] = items
            done = wait(running, _patience(job, running.values(), place), FIRST_COMPLETED).done
            for future in done or [*running]:  # none: all processes stand still
                items = running.pop(future)
                if future.done() and future.exception() is None:
                    found = future.result()
                    waiting.extendleft(reversed(items[len(found) :]))
                    yield from ((number, one) for (number, _), one in zip(items, found, strict=False))
                else:
                    lost.extend(items)
    handed_out = chain(lost, *running.values())
    return [(number, check, monotonic() - begun[number]) for number, check in sorted(handed_out, key=_number)]


def _next(job: Job[Check, Found], waiting: deque[Numbered[Check]], most: int) -> list[Numbered[Check]]:
    """Take the next checks that wait, as long as they have the same time limit."""
    items = [waiting.popleft()]
    limit = job.longest(items[0][1])
    while waiting and len(items) < most and job.longest(waiting[0][1]) == limit:
        items.append(waiting.popleft())
    return items


def _number(item: Numbered[Check]) -> int:
    return item[0]


def _patience(job: Job[Check, Found], running: Iterable[list[Numbered[Check]]], place: ExecutorFactory) -> float | None:
    """Return how long processes may say nothing; None where others may keep them busy."""
    return max(job.longest(items[0][1]) for items in running) + SECONDS_OF_SILENCE if place.own else None


def _require(executor: Executor, place: ExecutorFactory) -> None:
    """Raise InternalError where processes do not even start: no check is to blame, and none can be carried out."""
    try:
        executor.submit(started).result(SECONDS_OF_SILENCE if place.own else None)
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise InternalError(f"the processes that carry out checks do not start: {reason}") from error


def _submit(job: Job[Check, Found], executor: Executor, checks: list[Check]) -> Future[list[Found]]:
    try:
        return executor.submit(in_turn, job, checks)
    except BrokenExecutor as error:
        failed: Future[list[Found]] = Future()
        failed.set_exception(error)
        return failed
