"""Writing text to a file or to standard output: whole or not at all, and a failure names what failed.

A closed pipe ends quietly: its reader has seen enough. A stream that was closed from the start is an error.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, TextIO

from gradcli.cli import files
from gradcli.errors import InternalError
from gradcli.escaping import break_commands

if TYPE_CHECKING:
    from pathlib import Path


def write(text: str, path: Path | None, *, append: bool = False, encoding: str = "utf-8") -> None:
    """Write the text to the file, or to standard output where there is none; `append` keeps what the file holds."""
    if path is None or (files.descriptor(path) == 1 and encoding == "utf-8"):
        _write_standard_output(text)
    else:
        _write_file(text.encode(encoding, "backslashreplace"), path, append=append)


def flush() -> None:
    """Send on what standard output still holds."""
    _write_standard_output("")


def error_width() -> int | None:
    """Return how wide the terminal is that standard error goes to; None where it goes elsewhere."""
    from gradcli.render.style import style_for

    return style_for(sys.stderr).width if sys.stderr is not None and sys.stderr.isatty() else None


def write_error(text: str) -> None:
    """Write a message to standard error; where that fails there is nobody left to tell."""
    try:
        sys.stderr.write(break_commands(text).rstrip("\n") + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        _discard(sys.stderr)


def _write_file(data: bytes, path: Path, *, append: bool) -> None:
    try:
        files.append(path, data) if append else files.replace(path, data)
    except (OSError, ValueError) as error:
        raise _cannot_write(f"'{path}'", error) from error


def make_folder(path: Path) -> None:
    """Make a folder, and those that it lies in, if they are not there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise _cannot_write(f"'{path}'", error) from error


def _write_standard_output(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
    except OSError as error:
        _discard(sys.stdout)
        raise _cannot_write("standard output", error) from error


def _cannot_write(what: str, error: Exception) -> InternalError:
    closed = isinstance(error, OSError) and error.errno == errno.EBADF
    reason = "it is closed" if closed else getattr(error, "strerror", None) or str(error)
    return InternalError(f"cannot write to {what}: {reason}")


def _discard(stream: TextIO) -> None:
    """Point the stream at nothing, so that the interpreter's own flush at its end does not fail once more."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError, AttributeError):
        pass
