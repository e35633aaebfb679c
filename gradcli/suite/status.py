"""One line on a terminal's standard error that says how far a long check is, and that leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gradcli.escaping import escape

# Seconds before the line is there at all, and from one change of it to the next.
PATIENCE, TICK = 1.0, 0.25
ERASE = "\r\x1b[K"


def is_wanted() -> bool:
    """Return whether somebody watches who can be shown a line that changes."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") in {"dumb", "unknown"}
    return sys.stderr is not None and sys.stderr.isatty() and not plain


class Status:
    """What is done now, and for how long it has been; what else is printed goes through `apart`."""

    def __init__(self, *, is_on: bool) -> None:
        self.is_on = is_on
        self._stage = "loading PyTorch"
        self._shown: str | None = None
        self._started = time.monotonic()
        self._lock = threading.RLock()

    def begin(self, stage: str) -> None:
        """Note what is done from now on, and show it."""
        with self._lock:
            self._stage = escape(stage)
            self.tick()

    def tick(self) -> None:
        """Show the line as it is now, once some time has passed."""
        with self._lock:
            seconds = time.monotonic() - self._started
            if self.is_on and seconds >= PATIENCE:
                self._show(f"{self._stage}, {seconds:.0f} s"[: shutil.get_terminal_size().columns - 1])

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Let something else be printed meanwhile, where the line was."""
        with self._lock:
            self.erase()
            yield

    def erase(self) -> None:
        """Take the line away."""
        with self._lock:
            if self._shown is not None:
                _write(ERASE)
                self._shown = None

    def _show(self, text: str) -> None:
        if text != self._shown:
            self._shown = text  # first, so that what an interruption leaves of it is taken away
            _write(ERASE + text)


def _write(text: str) -> None:
    with suppress(OSError, ValueError, AttributeError):  # nobody may be left to read it
        sys.stderr.write(text)
        sys.stderr.flush()
