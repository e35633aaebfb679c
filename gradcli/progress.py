"""What the process has begun last, where the process that waits for it can read it even after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmap import mmap

SIZE = 256

_board: mmap | None = None


def share() -> mmap:
    """Return memory that a process forked from this one shares: what either notes, both can read."""
    from mmap import mmap

    global _board  # noqa: PLW0603 (one process does one thing at a time)
    _board = mmap(-1, SIZE)
    return _board


def begin(what: str) -> None:
    """Note what begins, for the message that it was the last; costs nothing where no process watches this one."""
    if _board is not None:
        _board[:] = what.encode("utf-8", "backslashreplace")[:SIZE].ljust(SIZE, b"\0")


def last(board: mmap) -> str:
    """Return what began last; empty if nothing did."""
    return board[:].rstrip(b"\0").decode("utf-8", "ignore")
