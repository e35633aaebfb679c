"""Whose turn it is: PyTorch's default dtype, its random numbers and Python's warnings are the whole process's."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gradcli.deadline import out_of_time


class _Turn:
    lock = threading.RLock()

    @classmethod
    def renew(cls) -> None:
        """Forget who had the turn: in a child that was forked off, only this thread is there."""
        cls.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Turn.renew)


@contextmanager
def turn(seconds: float) -> Iterator[float]:
    """Wait until no other thread checks, and tell how long that took; DeadlineError if it is all the time there is."""
    started, lock = time.monotonic(), _Turn.lock
    if not lock.acquire(timeout=min(seconds, threading.TIMEOUT_MAX)):
        raise out_of_time(seconds, ": another thread has been checking all that time")
    try:
        yield time.monotonic() - started
    finally:
        lock.release()
