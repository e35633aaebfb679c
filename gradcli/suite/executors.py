"""Where checks are carried out: worker processes of this machine, or a Dask cluster; both through one interface."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from gradcli.errors import InputError, first_line
from gradcli.suite.work import HELD, start_worker

DASK = "dask://"
SECONDS_TO_CONNECT = 20
MOST_JOBS = 1024


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
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        try:
            return super().submit(*call, **options)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _pool(width: int) -> Iterator[Executor]:
    """Give a pool of processes; they are ended with it, whatever they are doing."""
    # spawn: a process that is forked after torch has run a backward pass hangs.
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    with _quiet():
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
