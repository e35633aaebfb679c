"""The process that worker processes are forked from: it loads PyTorch while it is being read what they are to do."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext
from multiprocessing.util import get_temp_dir

# The longest path of a folder for temporary files in which a socket still has a name: 107 bytes, of which it takes 32.
LONGEST_FOLDER = 75
LOADED = "gradcli.suite.loaded"
# Signals that a process of the local pool does not hear before it is prepared.
HELD = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
# For processes that Python starts beside ours: they look for no module in the current folder, where an enum.py would be
# run, and say nothing of the semaphores that they tidy up where this process was killed.
QUIET = {"PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "ignore"}


def start_method() -> str:
    """Return how processes start: forked from one that has loaded PyTorch, and has run nothing, if there can be one.

    A process that is forked after a backward pass hangs. Elsewhere than on Linux, a system's own libraries do not
    survive a fork; and the one that is forked from needs a socket in the folder for temporary files.
    """
    try:
        has_socket = len(os.fsencode(tempfile.gettempdir())) <= LONGEST_FOLDER
    except FileNotFoundError:
        has_socket = False
    return "forkserver" if sys.platform == "linux" and has_socket else "spawn"


def context() -> BaseContext:
    """Return what starts processes."""
    found = multiprocessing.get_context(start_method())
    found.set_forkserver_preload([LOADED])
    return found


def begin() -> None:
    """Start the process, if there is to be one and it does not run; what is wrong with that, its first use says."""
    if context().get_start_method() == "forkserver":
        with quiet(), suppress(OSError):
            resource_tracker.ensure_running()  # which hears signals again after it has started its process
            with held():
                forkserver.ensure_running()


def _end() -> None:
    """End the process at once: it would load PyTorch before it hears of our own end."""
    process = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]  # noqa: SLF001  # no public name
    if process is not None:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def leave() -> None:
    """End the process, and remove the folder with its socket, as Python does on its way out.

    Nothing is started after that.
    """
    _end()
    if start_method() == "forkserver":
        shutil.rmtree(get_temp_dir(), ignore_errors=True)


@contextmanager
def held() -> Iterator[None]:
    """Let this thread, and processes that it starts, hear none of some signals in the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def quiet() -> Iterator[None]:
    """Change the environment of processes that are started in the block."""
    before = {name: os.environ.get(name) for name in QUIET}
    os.environ.update(QUIET)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})
