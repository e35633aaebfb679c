"""What the process has begun last, when its time is up, and how it ends, where the one that waits for it reads it."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from mmap import mmap

LOADING = "loading PyTorch"
SIZE = 256
# After the text: the end of the time by the monotonic clock, which is that of all processes, and the seconds there are.
LIMIT = struct.Struct("dd")
# After that: the exit code that the process ends with.
ENDING = struct.Struct("i")
UNKNOWN = -1

_board: mmap | None = None
_listener: Callable[[str], None] | None = None


def listen(listener: Callable[[str], None]) -> None:
    """Let somebody hear of every stage that this process begins."""
    global _listener  # noqa: PLW0603 (one process does one thing at a time)
    _listener = listener


def stage(what: str) -> None:
    """Tell what begins, for who waits for it; costs nothing where nobody listens."""
    if _listener is not None:
        _listener(what)


def share() -> mmap:
    """Return memory that a process forked from this one shares: what either notes, both can read."""
    from mmap import mmap

    global _board  # noqa: PLW0603 (one process does one thing at a time)
    _board = mmap(-1, SIZE + LIMIT.size + ENDING.size)
    limit(math.inf, 0.0)
    end(UNKNOWN)
    return _board


def begin(what: str) -> None:
    """Note what begins, for the message that it was the last; costs nothing where no process watches this one."""
    if _board is not None:
        _board[:SIZE] = what.encode("utf-8", "backslashreplace")[:SIZE].ljust(SIZE, b"\0")


def last(board: mmap) -> str:
    """Return what began last; empty if nothing did."""
    return board[:SIZE].rstrip(b"\0").decode("utf-8", "ignore")


def limit(end: float, seconds: float) -> None:
    """Note when the time is up, and how much of it there was; an infinite end stands for no limit."""
    if _board is not None:
        LIMIT.pack_into(_board, SIZE, end, seconds)


def limit_of(board: mmap) -> tuple[float, float]:
    """Return when the time is up, and how much of it there was."""
    end, seconds = LIMIT.unpack_from(board, SIZE)
    return end, seconds


def end(code: int) -> None:
    """Note the exit code that the process is about to end with."""
    if _board is not None:
        ENDING.pack_into(_board, SIZE + LIMIT.size, code)


def ending_of(board: mmap) -> int:
    """Return the exit code that a process meant to end with; UNKNOWN if something else has ended it."""
    (code,) = ENDING.unpack_from(board, SIZE + LIMIT.size)
    return int(code)
