"""Several checks handed to a process at once: it tells of them before long, and none is lost or done twice."""

import gc
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from gradcli.settings import Settings
from gradcli.suite import work
from gradcli.suite.check import SuiteCheck
from gradcli.suite.executors import ExecutorFactory
from gradcli.suite.schedule import MOST_AT_ONCE, outcomes_of
from gradcli.suite.work import SECONDS_IN_TURN, Job, in_turn

USUAL = Settings(command="check")


@dataclass(frozen=True)
class Waiting:
    """What takes a while, and has a time limit."""

    number: int
    seconds: float = 0.0
    settings: Settings = USUAL


done: list[int] = []
loaded: list[int] = []


def carry_out(waiting: Waiting) -> int:
    time.sleep(waiting.seconds)
    done.append(waiting.number)
    return waiting.number


def prepare(_: object) -> None:
    loaded.append(len(done))
    raise ImportError


JOB: Job[Waiting, int] = Job(prepare, carry_out, lambda waiting: waiting.settings.timeout, lambda *_: -1)


def test_one_that_takes_long_is_the_last_of_its_turn() -> None:
    several = [Waiting(0), Waiting(1, 2 * SECONDS_IN_TURN), Waiting(2)]
    assert in_turn(JOB, several) == [0, 1]


def test_what_a_turn_leaves_is_handed_out_again_in_order() -> None:
    done.clear()
    several = [Waiting(number, SECONDS_IN_TURN if number % 8 == 0 else 0.0) for number in range(4 * MOST_AT_ONCE)]
    place = ExecutorFactory(1, ThreadPoolExecutor)
    found = list(outcomes_of(JOB, several, place))
    assert sorted(done) == list(range(len(several)))
    assert dict(found) == {number: number for number in range(len(several))}


def test_the_time_limit_begins_when_all_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    done.clear()
    loaded.clear()
    begun: list[tuple[float, int]] = []
    monkeypatch.setattr("faulthandler.dump_traceback_later", lambda seconds, **_: begun.append((seconds, len(loaded))))
    strict = Settings(command="check", timeout=1.0)
    assert in_turn(JOB, [Waiting(0, settings=strict), Waiting(1, settings=strict)]) == [0, 1]
    assert begun == [(1.0 + SECONDS_IN_TURN, 1)]


def test_checks_with_other_time_limits_have_a_turn_of_their_own() -> None:
    limits = [1.0, 1.0, 9.0, 1.0]
    several = [
        Waiting(number, settings=Settings(command="check", timeout=limit)) for number, limit in enumerate(limits)
    ]
    handed: list[list[int]] = []

    class Noting(ThreadPoolExecutor):
        def submit(self, function: Any, *given: Any) -> Future[Any]:  # type: ignore[override]
            handed.extend([[one.number for one in given[1]]] if given else [])
            return super().submit(function, *given)

    assert len(list(outcomes_of(JOB, several * 8, ExecutorFactory(1, Noting)))) == 32
    assert all(len({limits[number] for number in numbers}) == 1 for numbers in handed)
    assert max(map(len, handed)) > 1


def test_a_check_leaves_no_garbage_in_cycles() -> None:
    settings = Settings(command="check", shapes={None: (4,)}, witnesses=("symbolic",))
    check = SuiteCheck("softmax", "(softmax(x, 0)*maximum(x, y)).sum()", settings)
    found = [
        (work.carry_out(check).passed, gc.collect()) for _ in range(4)
    ]  # what others have left is gone with the first
    assert all(passed for passed, _ in found)
    assert min(count for _, count in found) == 0  # worker processes look for it after many checks only
