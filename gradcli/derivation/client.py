"""The symbolic side as the rest of gradcli sees it: a process that is started early, asked in batches, and replaced."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gradcli.derivation.connection import UNTRIED, Connection, Delivery, Failure, Outcome
from gradcli.derivation.protocol import Answer, Query, QueryKind
from gradcli.derivation.store import Store

DEFAULT_MEMORY = 2 << 30
# Keeps nothing.
EMPTY = Store()


@dataclass(slots=True, eq=False)
class Posted:
    """A question that has been asked, and not answered yet."""

    kind: QueryKind
    """What is asked for."""
    data: dict[str, Any]
    """The request, as its `to_data` gives it."""
    seconds: float
    """The time for the answer."""
    connection: Connection
    """The process that was asked last."""
    delivery: Delivery
    """The question on its way to it."""
    store: Store
    """Where the answer is kept."""


@dataclass(frozen=True, slots=True)
class Known:
    """A question whose answer was kept."""

    answer: Answer
    """The answer."""


@dataclass(slots=True, eq=False)
class Home:
    """What one process of ours has: a child that is forked off has its own, because pipes are not shared."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while a sympy process is started."""
    connection: Connection | None = None
    """The sympy process, if one was started."""


def command_of(memory: int) -> list[str]:
    """Return the command that starts a sympy process."""
    # -P: a file called sympy.py in the current folder must not be what it imports.
    return [sys.executable, "-P", "-m", "gradcli.symbolic.worker", str(memory)]


class Worker:
    """The sympy process, with an address space of `memory` bytes; one that broke down is replaced.

    Any thread may ask. A child that is forked off has a process of its own.
    """

    def __init__(self, memory: int = DEFAULT_MEMORY) -> None:
        self.memory = memory
        self._numbers = itertools.count(1)
        self._homes: dict[int, Home] = {}

    def start(self) -> None:
        """Start the process unless it runs; returns at once, while sympy is still being imported."""
        self._connected()

    def stop(self) -> None:
        """Kill the process, if it runs."""
        connection = self._home().connection
        if connection is not None:
            connection.close()

    def ask(
        self, kind: QueryKind, requests: Sequence[dict[str, Any]], seconds: float, store: Store = EMPTY
    ) -> Iterator[Outcome]:
        """Yield the outcome of each request; those that nobody waits for any more are given up."""
        posted: list[Posted | Known] = []
        try:
            for data in requests:
                posted.append(self.post(kind, data, seconds, store))  # noqa: PERF401 (an interruption gives up what was asked)
            for one in posted:
                yield self.collect(one)
        finally:
            for one in posted:
                if isinstance(one, Posted):
                    one.delivery.cancelled = True

    def post(self, kind: QueryKind, data: dict[str, Any], seconds: float, store: Store = EMPTY) -> Posted | Known:
        """Ask a question whose answer is collected later, or never; the process is not needed for one that was kept."""
        kept = store.get(kind, data)
        if kept is not None:
            return Known(Answer(next(self._numbers), kept))
        return Posted(kind, data, seconds, *self._deliver(kind, data, seconds), store)

    def collect(self, posted: Posted | Known) -> Outcome:
        """Wait for an answer, and keep it if it is one, and whole."""
        if isinstance(posted, Known):
            return posted.answer
        outcome = self._awaited(posted)
        if isinstance(outcome, Answer) and outcome.error is outcome.defect is None and not outcome.partial:
            posted.store.put(posted.kind, posted.data, outcome.data)
        return outcome

    def _awaited(self, posted: Posted) -> Outcome:
        """Wait for an answer; a question at which the process broke down is asked once more."""
        asked_again = False
        while True:
            outcome = posted.connection.outcome(posted.delivery)
            if not isinstance(outcome, Failure) or not outcome.again or (asked_again and outcome is not UNTRIED):
                return outcome
            asked_again = asked_again or outcome is not UNTRIED
            posted.connection, posted.delivery = self._deliver(posted.kind, posted.data, posted.seconds)

    def _deliver(self, kind: QueryKind, data: dict[str, Any], seconds: float) -> tuple[Connection, Delivery]:
        connection = self._connected()
        return connection, connection.post(Query(next(self._numbers), kind, data), seconds)

    def _connected(self) -> Connection:
        home = self._home()
        with home.lock:
            if home.connection is None or not home.connection.usable:
                home.connection = Connection(command_of(self.memory))
            home.connection.begin()
            return home.connection

    def _home(self) -> Home:
        """Return what this process has; without a lock, which a fork may copy while another thread holds it."""
        process = os.getpid()
        if process not in self._homes:
            inherited = [home.connection for home in list(self._homes.values()) if home.connection is not None]
            self._homes.setdefault(process, Home())
            for connection in inherited:
                connection.forget()
        return self._homes[process]
