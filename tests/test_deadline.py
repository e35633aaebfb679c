"""The time limit of a run: kept to although its error is swallowed once, and a caller's own timer goes on."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

import gradcli
from gradcli.deadline import DeadlineError, deadline


@pytest.fixture
def rung() -> Iterator[list[float]]:
    """Give the times at which a timer of the caller's goes off."""
    times: list[float] = []
    before = signal.signal(signal.SIGALRM, lambda *_: times.append(time.monotonic()))
    yield times
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_block_that_takes_too_long_is_ended() -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineError, match=r"no verdict within 0\.05 s"), deadline(0.05):
        time.sleep(5)
    assert time.monotonic() - started < 4


def test_an_error_that_is_swallowed_is_raised_again() -> None:
    def swallow() -> None:
        with suppress(Exception):
            time.sleep(5)
        time.sleep(5)

    with pytest.raises(DeadlineError), deadline(0.05):
        swallow()


def test_nothing_is_raised_after_the_block() -> None:
    for _ in range(200):
        with suppress(DeadlineError), deadline(0.0005):
            sum(range(2000))
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    time.sleep(1.2)


def test_a_timer_of_the_callers_goes_on(rung: list[float]) -> None:
    started = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.4)
    with deadline(20.0):
        time.sleep(0.1)
    assert rung == []
    time.sleep(0.5)
    assert len(rung) == 1
    assert rung[0] - started >= 0.4


def test_a_timer_of_the_callers_that_ran_out_meanwhile_goes_off_after_the_block(rung: list[float]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with deadline(20.0):
        time.sleep(0.2)
        assert rung == []
    time.sleep(0.1)
    assert len(rung) == 1


def test_a_check_leaves_a_timer_of_the_callers(rung: list[float]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 60.0)
    gradcli.evaluate("x*x", {"x": 2.0})
    remaining, _ = signal.getitimer(signal.ITIMER_REAL)
    assert 0 < remaining < 60.0
    assert rung == []


def test_what_is_added_to_the_reason_stands_in_the_message_too() -> None:
    error = DeadlineError("no verdict within 1 s")
    error.say("; it was still in forward")
    assert error.reason == "no verdict within 1 s; it was still in forward"
    assert str(error) == error.message == "undecided: no verdict within 1 s; it was still in forward"
