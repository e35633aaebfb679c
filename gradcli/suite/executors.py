"""Where checks are carried out: worker processes of this machine, or a Dask cluster; both through one interface."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.context import BaseContext
from multiprocessing.util import get_temp_dir
from typing import Any

from gradcli.errors import InputError, InternalError, first_line
from gradcli.suite.work import HELD, start_worker

DASK = "dask://"
SECONDS_TO_CONNECT = 20
MOST_JOBS = 1024
# The longest path of a folder for temporary files in which a socket still has a name: 107 bytes, of which it takes 32.
LONGEST_FOLDER = 75
LOADED = "gradcli.suite.loaded"
# For that process to load PyTorch.
SECONDS_TO_LOAD = 60.0


@dataclass(frozen=True, slots=True)
class ExecutorFactory:
    """Where checks run: `open(width)` gives a fresh executor that carries out so many at a time.

    `own` processes do nothing else, and are ended with their executor.
    """

    width: int
    open: Callable[[int], AbstractContextManager[Executor]]
    own: bool = False


def local_place(jobs: int) -> ExecutorFactory:
    """Return this machine, with so many worker processes."""
    return ExecutorFactory(jobs, _pool, own=True)


def dask_place(address: str) -> ExecutorFactory:
    """Return a Dask cluster by the address of its scheduler, `dask://HOST:PORT`.

    Raises InputError where distributed is not installed, or no scheduler with workers answers.
    """
    if not address.startswith(DASK):
        raise InputError(f"'{address}' is not an address", option="--executor", hint="write dask://HOST:PORT")
    scheduler = f"tcp://{address.removeprefix(DASK)}"
    with _client(scheduler) as client:
        width = len(client.scheduler_info(n_workers=-1)["workers"])
    if not width:
        raise InputError(f"the Dask scheduler at {address} has no workers", option="--executor")

    @contextmanager
    def opened(_: int) -> Iterator[Executor]:
        with _client(scheduler) as client:
            yield client.get_executor()

    return ExecutorFactory(width, opened)


def count_jobs(text: str) -> int:
    """Return the number of worker processes that `-j` asks for: a number, or the cores that there are for `auto`."""
    if text == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:9]) <= MOST_JOBS:
        hint = "`-j auto` starts one process per core"
        raise InputError(f"'{text}' is not a number from 1 to {MOST_JOBS}", option="-j", hint=hint)
    return int(text)


class _Pool(ProcessPoolExecutor):
    """A pool that starts a process with signals blocked: none ends it, or this process, before it is complete."""

    def submit(self, *call: Any, **options: Any) -> Future[Any]:
        """Start a process if one is needed, and hand the call out."""
        with _held():
            return super().submit(*call, **options)


@contextmanager
def _held() -> Iterator[None]:
    """Let this thread, and processes that it starts, hear none of some signals in the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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


def leave() -> None:
    """Remove the folder with that socket, as Python does on its way out; nothing is started after that."""
    if start_method() == "forkserver":
        shutil.rmtree(get_temp_dir(), ignore_errors=True)


def _context() -> BaseContext:
    context = multiprocessing.get_context(start_method())
    context.set_forkserver_preload([LOADED])
    return context


def _wait_until_loaded(context: BaseContext) -> None:
    """Wait until processes can be forked; InternalError where that takes too long.

    Starting one lasts as long as PyTorch is being loaded. A thread does that, so that Ctrl-C is heard meanwhile.
    """
    process = context.Process(target=int)  # type: ignore[attr-defined]  # every context has it

    def start() -> None:
        with suppress(Exception):  # what is wrong, the pool says
            process.start()
            process.join()

    starting = threading.Thread(target=start, daemon=True)
    resource_tracker.ensure_running()  # which hears signals again after it has started its process
    with _held():
        starting.start()
    starting.join(SECONDS_TO_LOAD)
    if starting.is_alive():
        raise InternalError(f"the processes that carry out checks do not start within {SECONDS_TO_LOAD:g} s")


@contextmanager
def _pool(width: int) -> Iterator[Executor]:
    """Give a pool of processes; they are ended with it, whatever they are doing."""
    context = _context()
    before = set(multiprocessing.active_children())
    with _quiet():
        if context.get_start_method() == "forkserver":
            _wait_until_loaded(context)
        pool = _Pool(width, context, initializer=start_worker)
        try:
            yield pool
        finally:
            for process in set(multiprocessing.active_children()) - before:
                process.kill()  # one that was stopped hears nothing else
            pool.shutdown(cancel_futures=True)


# For processes that Python starts beside ours: they look for no module in the current folder, where an enum.py would be
# run, and say nothing of the semaphores that they tidy up where this process was killed.
QUIET = {"PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "ignore"}


@contextmanager
def _quiet() -> Iterator[None]:
    """Change the environment of processes that are started in the block."""
    before = {name: os.environ.get(name) for name in QUIET}
    os.environ.update(QUIET)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


def _client(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "the package distributed is not installed", option="--executor", hint="pip install 'gradcli[dask]'"
        ) from None
    try:
        return Client(scheduler, timeout=SECONDS_TO_CONNECT, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {scheduler}: {first_line(error)}", option="--executor"
        ) from None
