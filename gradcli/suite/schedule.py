"""Many checks, whatever happens to the processes that carry them out: one that kills its process costs only itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait

from gradcli.errors import InternalError
from gradcli.report.suite import CheckReport
from gradcli.suite.check import SuiteCheck
from gradcli.suite.executors import ExecutorFactory
from gradcli.suite.work import carry_out, started, undecided

# Checks that are handed out for each that runs, so that no process waits for work.
AHEAD = 2
DIED = "no verdict: the process that carried it out died, and so did a second one that tried it again"

Item = tuple[int, SuiteCheck]
Outcomes = Generator[tuple[int, CheckReport], None, list[Item]]


def outcomes(checks: Sequence[SuiteCheck], place: ExecutorFactory) -> Generator[tuple[int, CheckReport], None, None]:
    """Yield each check's number and report as it finishes, in any order."""
    waiting = deque(enumerate(checks))
    while waiting:
        suspects = deque((yield from _round(waiting, place, place.width, place.width * AHEAD)))
        # Which of them ended the process is not known: each is tried once more, with no other beside it.
        while suspects:
            for number, check in (yield from _round(suspects, place, 1, 1)):
                yield number, undecided(check, DIED)


def _round(waiting: deque[Item], place: ExecutorFactory, width: int, most: int) -> Outcomes:
    """Yield what finishes until nothing waits or a process dies; return the checks that were handed out then."""
    running: dict[Future[CheckReport], Item] = {}
    lost: list[Item] = []
    with place.open(width) as executor:
        _require(executor)
        while (waiting or running) and not lost:
            while waiting and len(running) < most:
                item = waiting.popleft()
                running[_submit(executor, item[1])] = item
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                number, check = running.pop(future)
                if future.exception() is None:
                    yield number, future.result()
                else:
                    lost.append((number, check))
    return sorted([*lost, *running.values()], key=lambda item: item[0])


def _require(executor: Executor) -> None:
    """Raise InternalError where processes do not even start: no check is to blame, and none can be carried out."""
    try:
        executor.submit(started).result()
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
