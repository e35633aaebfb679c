"""A time limit on one run: what is not decided by then is undecided."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

from gradcli import progress
from gradcli.errors import ExitCode, GradcliError, InterruptionError

_running = threading.local()
# Seconds until the error is raised again, and until a caller's timer goes off that has run out meanwhile.
AGAIN, SOON = 1.0, 1e-3


class DeadlineError(GradcliError):
    """A run took longer than its limit; nothing is known about the gradient."""

    exit_code = ExitCode.UNDECIDED

    def __init__(self, text: str, **details: Any) -> None:
        super().__init__(text, **details)
        self.message = f"undecided: {text}"
        self.args = (self.message,)

    @property
    def reason(self) -> str:
        """Return the message without the verdict."""
        return self.text


class TimeIsUpError(InterruptionError):
    """What is raised inside of a run whose time is up; outside of it, it is a DeadlineError."""

    where = ""
    """In whose code it was raised, as the end of a sentence."""


class OverdueError(Exception):
    """A part of a run took longer than its share of the time; `where` says in whose code, as the end of a sentence."""

    def __init__(self, where: str = "") -> None:
        super().__init__(where)
        self.where = where


def out_of_time(seconds: float, where: str = "") -> DeadlineError:
    """Return the error that a run has had so many seconds."""
    return DeadlineError(f"no verdict within {seconds:g} s{where}", hint="`--timeout` raises the limit")


def _nothing() -> None:
    """Do nothing."""


@dataclass(slots=True)
class _Limit:
    """When the time is up, by the monotonic clock: for the first time, and then again."""

    end: float
    struck: bool = False
    rearm: Callable[[], None] = _nothing
    """Lets the time be looked at by the new end."""

    def is_up(self) -> bool:
        """Return whether the time is up once more, and set the next one."""
        now = time.monotonic()
        if now < self.end:
            return False
        self.end, self.struck = now + AGAIN, True
        return True


@contextmanager
def deadline(seconds: float, *, spent: float = 0.0) -> Iterator[None]:
    """Raise DeadlineError out of the block after a number of seconds, of which some are `spent` already.

    Inside it is a TimeIsUpError, which no `except Exception` takes, raised again each second until it is heard: by the
    alarm of the system in the main thread, and by a thread beside any other. A call into PyTorch ends before either is
    noticed; the alarm also ends waiting for a file, and the thread does not. A timer of the caller's goes off in time.
    """
    limit = _Limit(time.monotonic() + max(seconds - spent, 0.0))
    progress.limit(limit.end, seconds)
    outer, _running.limit = getattr(_running, "limit", None), limit
    try:
        with unheard_ones_ignored(InterruptionError), _by_alarm(limit) if _has_alarm() else _by_thread(limit):
            yield
    except TimeIsUpError as error:
        raise out_of_time(seconds, error.where) from None
    except BaseException as error:
        if limit.struck and not isinstance(error, KeyboardInterrupt | InterruptionError):
            raise out_of_time(seconds) from error  # what the run made of the first one
        raise
    finally:
        progress.limit(math.inf, 0.0)
        _running.limit = outer
        limit.rearm = _nothing  # it knows the limit: without a cycle both are gone at once
    if limit.struck:
        raise out_of_time(seconds)


@contextmanager
def share_of_time(seconds: float) -> Iterator[None]:
    """Raise OverdueError out of the block after a number of seconds; the deadline around it stays as it is.

    Without a deadline there is no limit. Inside it is a TimeIsUpError, as that of the deadline.
    """
    limit: _Limit | None = getattr(_running, "limit", None)
    if limit is None or time.monotonic() + seconds >= limit.end:
        yield
        return
    whole, where = limit.end, ""
    try:
        limit.end = time.monotonic() + seconds
        limit.rearm()
        yield
    except BaseException as error:
        if not limit.struck or isinstance(error, KeyboardInterrupt) or time.monotonic() >= whole:
            raise
        where = error.where if isinstance(error, TimeIsUpError) else ""
    finally:
        limit.end = max(whole, limit.end) if limit.struck and time.monotonic() >= whole else whole
    if limit.struck and time.monotonic() < whole:
        limit.struck = False
        raise OverdueError(where)


@contextmanager
def unheard_ones_ignored(kind: type[BaseException]) -> Iterator[None]:
    """Keep Python from printing an error that was raised where it cannot leave, as in a `__del__`: another follows."""
    before = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, kind):
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _has_alarm() -> bool:
    """Return whether this thread can be reached by an alarm, whose handler can be put back."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        return False
    return signal.getsignal(signal.SIGALRM) is not None


class _CallersTimer:
    """The timer that the caller had set, which goes off as it would without ours."""

    def __init__(self) -> None:
        self.handler: Any = signal.getsignal(signal.SIGALRM)
        delay, self.interval = signal.getitimer(signal.ITIMER_REAL)
        self.due = time.monotonic() + delay if delay else math.inf

    def ring(self, number: int, frame: FrameType | None) -> None:
        """Do what the caller wants done, if it is time; what that raises is nobody's but the caller's."""
        now = time.monotonic()
        if now < self.due:
            return
        self.due = now + self.interval if self.interval else math.inf
        if self.handler is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif callable(self.handler):
            try:
                self.handler(number, frame)
            except BaseException as error:  # noqa: BLE001 (the handler is the caller's)
                raise InterruptionError(error) from None

    def restore(self) -> None:
        """Set the caller's timer again."""
        signal.signal(signal.SIGALRM, self.handler)
        if self.due < math.inf:
            signal.setitimer(signal.ITIMER_REAL, max(self.due - time.monotonic(), SOON), self.interval)


@contextmanager
def _by_alarm(limit: _Limit) -> Iterator[None]:
    """Raise TimeIsUpError in the main thread whenever the time is up."""
    callers, over = _CallersTimer(), False

    def arm() -> None:
        delay = min(limit.end, callers.due) - time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, max(delay, SOON))

    def strike(number: int, frame: FrameType | None) -> None:
        if over:
            return
        up = limit.is_up()
        try:
            callers.ring(number, frame)
        finally:
            arm()
        if up:
            raise TimeIsUpError

    signal.signal(signal.SIGALRM, strike)
    limit.rearm = arm
    try:
        try:
            arm()
            yield
        finally:
            over = True
    finally:  # twice, because the time may be up in the first of them
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        callers.restore()


@contextmanager
def _by_thread(limit: _Limit) -> Iterator[None]:
    """Raise TimeIsUpError in this thread, from another one, whenever the time is up: before its next step in Python."""
    raise_here = _raiser(threading.get_ident())
    raising, over = threading.Lock(), threading.Event()

    def watch() -> None:
        while not over.wait(min(max(limit.end - time.monotonic(), 0.0), AGAIN)):  # it may come nearer
            with raising:
                if not over.is_set() and limit.is_up():
                    raise_here(TimeIsUpError)

    try:
        try:
            threading.Thread(target=watch, name="gradcli-deadline", daemon=True).start()
            yield
        finally:
            over.set()
    finally:  # twice, because the time may be up in the first of them
        over.set()
        with raising:
            if limit.struck:
                _hear(raise_here)


def _hear(raise_here: Callable[[type[BaseException]], None]) -> None:
    """Hear an error that may be raised here and was not heard yet.

    Python can take one back too, but looks for it ever after, and then stands still once somebody traces its steps.
    """
    with suppress(TimeIsUpError):
        raise_here(TimeIsUpError)
        while True:
            pass


def _raiser(thread: int) -> Callable[[type[BaseException]], None]:
    """Return what raises an error in a thread."""
    import ctypes

    set_error = ctypes.pythonapi.PyThreadState_SetAsyncExc

    def raise_there(error: type[BaseException]) -> None:
        set_error(ctypes.c_ulong(thread), ctypes.py_object(error))

    return raise_there
