"""The time limit of a run: kept to whatever becomes of its error, in any thread, beside a caller's own timer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

import gradcli
from gradcli.deadline import DeadlineError, OverdueError, deadline, out_of_time, share_of_time
from gradcli.errors import boundary


@pytest.fixture
def rung() -> Iterator[list[float]]:
    """Give the times at which a timer of the caller's goes off."""
    times: list[float] = []
    before = signal.signal(signal.SIGALRM, lambda *_: times.append(time.monotonic()))
    yield times
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def in_main_thread(block: Callable[[], None]) -> None:
    block()


def in_another_thread(block: Callable[[], None]) -> None:
    with ThreadPoolExecutor(1) as threads:
        threads.submit(block).result()


# A thread cannot be woken, so that blocks pause for moments only.
ANYWHERE = pytest.mark.parametrize("run", [in_main_thread, in_another_thread])


def pause(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)


@ANYWHERE
def test_a_block_that_takes_too_long_is_ended(run: Callable[[Callable[[], None]], None]) -> None:
    def block() -> None:
        with pytest.raises(DeadlineError, match=r"no verdict within 0\.05 s"), deadline(0.05):
            pause(20)

    started = time.monotonic()
    run(block)
    assert time.monotonic() - started < 15


@ANYWHERE
def test_no_handler_of_exceptions_takes_the_error(run: Callable[[Callable[[], None]], None]) -> None:
    taken = []

    def swallow() -> None:
        with suppress(Exception):
            pause(20)
        taken.append(True)

    def block() -> None:
        with pytest.raises(DeadlineError), deadline(0.05):
            swallow()
        assert not taken

    run(block)


@ANYWHERE
def test_an_error_that_is_swallowed_is_raised_again(run: Callable[[Callable[[], None]], None]) -> None:
    def swallow() -> None:
        for _ in range(3):
            with suppress(BaseException):
                pause(20)
        pause(20)

    def block() -> None:
        with pytest.raises(DeadlineError), deadline(0.05):
            swallow()

    started = time.monotonic()
    run(block)
    assert time.monotonic() - started < 15


def replace(made: type[BaseException] | None) -> None:
    """Raise an error in place of that of the limit, or none."""
    try:
        pause(20)
    except BaseException:  # noqa: BLE001 (it is what the test is about)
        if made is not None:
            raise made from None


@ANYWHERE
@pytest.mark.parametrize("made", [ValueError, None, SystemExit])
def test_whatever_the_block_makes_of_the_error_it_is_out_of_time(
    made: type[BaseException] | None, run: Callable[[Callable[[], None]], None]
) -> None:
    def block() -> None:
        with pytest.raises(DeadlineError), deadline(0.05):
            replace(made)

    run(block)


def test_an_error_in_a_finaliser_is_not_printed_and_raised_again(capsys: pytest.CaptureFixture[str]) -> None:
    class Slow:
        def __del__(self) -> None:
            pause(0.5)

    def block() -> None:
        slow = Slow()
        del slow
        pause(20)

    started = time.monotonic()
    with pytest.raises(DeadlineError), deadline(0.05):
        block()
    assert time.monotonic() - started < 15
    assert capsys.readouterr().err == ""


def test_a_file_that_nobody_writes_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(DeadlineError), deadline(0.1):
        (tmp_path / "fifo").read_bytes()


def test_what_is_spent_already_counts() -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineError, match="within 30 s"), deadline(30.0, spent=29.9):
        pause(20)
    assert time.monotonic() - started < 15


def test_a_block_inside_of_another_one_ends_with_the_outer_one() -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineError, match=r"within 0\.1 s"), deadline(0.1), boundary(), deadline(20.0):
        pause(20)
    assert time.monotonic() - started < 15


def test_an_interrupt_is_not_taken_for_the_limit() -> None:
    with pytest.raises(KeyboardInterrupt), deadline(0.05):
        replace(KeyboardInterrupt)


@ANYWHERE
def test_nothing_is_raised_after_the_block_anywhere(run: Callable[[Callable[[], None]], None]) -> None:
    def block() -> None:
        for _ in range(100):
            with suppress(DeadlineError), deadline(0.0005):
                sum(range(2000))
        pause(1.2)

    run(block)


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


def test_a_timer_of_the_callers_goes_off_in_the_block_as_often_as_it_is_due(rung: list[float]) -> None:
    started = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.2)
    with deadline(20.0):
        pause(0.6)
        assert 2 <= len(rung) <= 3
    assert 0.1 <= rung[0] - started < 0.3
    pause(0.5)
    assert len(rung) >= 4


def test_a_timer_of_the_callers_and_the_limit_are_both_kept(rung: list[float]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with pytest.raises(DeadlineError), deadline(0.4):
        pause(20)
    assert len(rung) == 1
    signal.setitimer(signal.ITIMER_REAL, 0.6)
    with pytest.raises(DeadlineError), deadline(0.2):
        pause(20)
    pause(0.8)
    assert len(rung) == 2


def test_what_the_callers_handler_raises_is_let_through() -> None:
    def ring(*_: object) -> None:
        raise LookupError

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(LookupError), boundary(), deadline(20.0), suppress(Exception):
            pause(20)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_alarm_that_ends_the_process_still_does() -> None:
    loaded = "import signal, time; from gradcli.deadline import deadline"
    body = f"{loaded}; signal.alarm(1)\nwith deadline(20.0): time.sleep(10)"
    assert subprocess.run([sys.executable, "-c", body], check=False, timeout=60).returncode == -signal.SIGALRM


def test_a_check_leaves_a_timer_of_the_callers(rung: list[float]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 60.0)
    gradcli.evaluate("x*x", {"x": 2.0})
    remaining, _ = signal.getitimer(signal.ITIMER_REAL)
    assert 0 < remaining < 60.0
    assert rung == []


def test_the_reason_is_the_message_without_the_verdict() -> None:
    error = out_of_time(1.0, "; it was still in forward")
    assert error.reason == "no verdict within 1 s; it was still in forward"
    assert error.message == "undecided: no verdict within 1 s; it was still in forward"
    assert str(error) == f"{error.message}\nhint: `--timeout` raises the limit"


@pytest.mark.parametrize("seconds", [60.0, 0.01])
def test_a_debugger_goes_on_after_a_run_in_another_thread(seconds: float) -> None:
    """An error that is taken back from a thread leaves Python looking for it, which does not end while it traces."""
    body = f"""
import sys, threading, time
from contextlib import suppress
from gradcli.deadline import DeadlineError, deadline

def checks():
    with suppress(DeadlineError), deadline({seconds}):
        time.sleep(0.05)

thread = threading.Thread(target=checks)
thread.start()
thread.join()
sys.settrace(lambda *_: None)
(lambda: print("on"))()
"""
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, timeout=30.0, check=True)
    assert done.stdout == "on\n"


def raise_another_error() -> None:
    try:
        pause(10)
    except BaseException as error:
        raise ValueError from error


@ANYWHERE
def test_a_share_of_the_time_ends_a_part_of_a_run_and_no_more(run: Callable[[Callable[[], None]], None]) -> None:
    def block() -> None:
        with deadline(60):
            with pytest.raises(OverdueError), share_of_time(0.1):
                pause(10)
            with pytest.raises(OverdueError), share_of_time(0.1):
                raise_another_error()
            with share_of_time(0.1):
                pass
            pause(0.3)

    run(block)


def test_the_deadline_holds_within_a_longer_share() -> None:
    with deadline(60), pytest.raises(OverdueError), share_of_time(0.1), share_of_time(5):
        pause(10)
    with pytest.raises(DeadlineError), deadline(0.2), share_of_time(5):
        pause(10)


def test_without_a_deadline_a_share_is_no_limit() -> None:
    with share_of_time(0.05):
        pause(0.1)
