"""The standard streams of the process, as its parent left them: closed, unbuffered, of an encoding of any kind."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO


def prepare_streams() -> None:
    """Make the standard streams safe to use.

    What is opened next must not take the number of one that is closed: whatever PyTorch or a user's file prints would
    go there. A standard output that is closed refuses what is written to it; what goes to standard error is lost.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        _occupy(number, mode)
    refusing = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), "utf-8")
    sys.stdout = refusing if sys.stdout is None else _whole(sys.stdout)
    sys.stderr = None if sys.stderr is None else _whole(sys.stderr)


def never_fail_to_encode() -> None:
    """Let the standard streams write a character that their encoding has not as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _occupy(number: int, mode: int) -> None:
    """Let the number of a standard stream that is closed stand for nothing; the smallest free one is taken first."""
    try:
        os.fstat(number)
    except OSError:
        os.set_inheritable(os.open(os.devnull, mode), True)


def _whole(stream: TextIO) -> TextIO:
    """Return a stream that writes all of a text or fails: what Python does not buffer may be cut short in silence."""
    if not isinstance(getattr(stream, "buffer", None), io.RawIOBase):
        return stream
    encoding, errors, lines = stream.encoding, stream.errors, stream.isatty()
    raw = stream.detach()  # type: ignore[attr-defined]  # a TextIOWrapper
    whole = io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=lines)
    if stream is sys.__stdout__:  # which the width of the terminal is asked of
        sys.__stdout__ = whole  # type: ignore[misc]
    return whole
