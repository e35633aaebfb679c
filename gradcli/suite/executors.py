"""Where checks are carried out: worker processes of this machine, or a Dask cluster; both through one interface."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.context import BaseContext
from typing import Any

from gradcli.errors import InputError, InternalError, first_line
from gradcli.suite.server import context, held, quiet
from gradcli.suite.work import start_worker

DASK = "dask://"
SECONDS_TO_CONNECT = 20
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


class _Pool(ProcessPoolExecutor):
    """A pool that starts a process with signals blocked: none ends it, or this process, before it is complete."""

    def submit(self, *call: Any, **options: Any) -> Future[Any]:
        """Start a process if one is needed, and hand the call out."""
        with held():
            return super().submit(*call, **options)


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
    with held():
        starting.start()
    starting.join(SECONDS_TO_LOAD)
    if starting.is_alive():
        raise InternalError(f"the processes that carry out checks do not start within {SECONDS_TO_LOAD:g} s")


@contextmanager
def _pool(width: int) -> Iterator[Executor]:
    """Give a pool of processes; they are ended with it, whatever they are doing."""
    processes = context()
    before = set(multiprocessing.active_children())
    with quiet():
        if processes.get_start_method() == "forkserver":
            _wait_until_loaded(processes)
        pool = _Pool(width, processes, initializer=start_worker)
        try:
            yield pool
        finally:
            for process in set(multiprocessing.active_children()) - before:
                process.kill()  # one that was stopped hears nothing else
            pool.shutdown(cancel_futures=True)


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
