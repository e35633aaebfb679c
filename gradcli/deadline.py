"""A time limit on one run: what is not decided by then is undecided."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from gradcli.errors import ExitCode, GradcliError


class DeadlineError(GradcliError):
    """A run took longer than its limit; nothing is known about the gradient."""

    exit_code = ExitCode.UNDECIDED

    def __init__(self, reason: str, **details: Any) -> None:
        super().__init__("", **details)
        self.say(reason)

    def say(self, more: str) -> None:
        """Add to the reason."""
        self.reason += more
        self.message = f"undecided: {self.reason}"


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise DeadlineError in the block after a number of seconds.

    Needs the main thread of a POSIX system: elsewhere there is no limit. A call into PyTorch ends before it is noticed.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(_: int, __: FrameType | None) -> None:
        raise DeadlineError(f"no verdict within {seconds:g} s", hint="`--timeout` raises the limit")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
