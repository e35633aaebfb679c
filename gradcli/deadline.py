"""A time limit on one run: what is not decided by then is undecided."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from gradcli.errors import ExitCode, GradcliError

# Seconds until the error is raised again, and until a caller's timer goes off that has run out meanwhile.
AGAIN, SOON = 1.0, 1e-3


class DeadlineError(GradcliError):
    """A run took longer than its limit; nothing is known about the gradient."""

    exit_code = ExitCode.UNDECIDED

    def __init__(self, text: str, **details: Any) -> None:
        super().__init__(text, **details)
        self.say("")

    @property
    def reason(self) -> str:
        """Return the message without the verdict."""
        return self.text

    def say(self, more: str) -> None:
        """Add to the reason."""
        self.text += more
        self.message = f"undecided: {self.text}"
        self.args = (self.message,)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise DeadlineError in the block after a number of seconds, and again until it is heard.

    Needs the main thread of a POSIX system: elsewhere there is no limit. A call into PyTorch ends before it is noticed.
    A timer of the caller's goes on afterwards.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(_: int, __: FrameType | None) -> None:
        raise DeadlineError(f"no verdict within {seconds:g} s", hint="`--timeout` raises the limit")

    before, started = signal.signal(signal.SIGALRM, stop), time.monotonic()
    # An error may be raised where it cannot leave: in a `__del__`, or inside of somebody's `except Exception`.
    delay, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:  # twice, because the time may be up in the first of them
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if delay:
            signal.setitimer(signal.ITIMER_REAL, max(delay - (time.monotonic() - started), SOON), interval)
