"""One sympy process, and the thread that alone talks to it.

Whoever asks puts a request into the thread's inbox and waits for the answer in a queue of the request's own. So nothing
that happens to the one who asks (a time limit, Ctrl-C, another thread) can leave half a line in a pipe, or an answer
that is taken for another question's. The thread asks one question at a time, and ends with its process: at the first
answer that is late, missing or malformed.
"""

from __future__ import annotations

import os
import select
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import IO, TypeAlias

from gradcli.derivation.protocol import READY, Answer, Question

# For the process to load sympy; the limits of requests begin then.
SECONDS_TO_START = 60.0
# Between two looks at whether a connection is still there while an answer is waited for.
SECONDS_BETWEEN_LOOKS = 0.2
LONGEST_POLL = 3600.0  # seconds: the system takes no longer ones
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Failure:
    """There is no answer, which says nothing about the question: the next attempt may have one."""

    reason: str
    """Why, for the user."""
    again: bool = False
    """The process broke down, and not for want of time: another attempt is due."""


UNTRIED = Failure("the symbolic worker was stopped", again=True)
DIED = Failure("the symbolic worker died", again=True)
EXHAUSTED = Failure("the derivation needs more memory than the limit", again=True)

Outcome: TypeAlias = "Answer | Failure"


@dataclass(slots=True, eq=False)
class Delivery:
    """A question on its way through one connection."""

    question: Question
    """What is asked, under a number of its own."""
    line: bytes
    """The question as the process reads it."""
    seconds: float
    """The time for the answer, from when the process is given the question."""
    outcomes: SimpleQueue[Outcome] = field(default_factory=SimpleQueue)
    """Where the outcome is put."""
    cancelled: bool = False
    """Nobody waits any more."""


class Connection:
    """The process that a command starts; it is its parent's alone: a child that is forked off must not use it."""

    def __init__(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(  # noqa: S603 (our own module)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        os.set_blocking(_stream(self.process.stdin).fileno(), False)
        self.usable = True
        self._parent = os.getpid()
        self._closed = False
        self._inbox: SimpleQueue[Delivery | None] = SimpleQueue()
        self._current: Delivery | None = None
        self._serving = threading.Lock()
        self._received = bytearray()

    def begin(self) -> None:
        """Start the thread, unless it runs."""
        if not self._serving.locked():
            threading.Thread(target=self._serve, name="gradcli-symbolic", daemon=True).start()

    def post(self, question: Question, seconds: float) -> Delivery:
        """Have a question answered after those before it."""
        delivery = Delivery(question, question.to_line(), seconds)
        self._inbox.put(delivery)
        return delivery

    def outcome(self, delivery: Delivery) -> Outcome:
        """Wait for the outcome of a question; UNTRIED where the connection was closed before its turn."""
        while True:
            last = self._closed or self._parent != os.getpid()  # looked at first: after that nothing is put any more
            with suppress(Empty):
                return delivery.outcomes.get(timeout=0 if last else SECONDS_BETWEEN_LOOKS)
            if last:
                return UNTRIED

    def cancel(self, delivery: Delivery) -> None:
        """Give a question up: nobody waits for its outcome."""
        delivery.cancelled = True
        if self._current is delivery:
            self.process.kill()  # it may take long, and the next question is not to wait for that

    def close(self) -> None:
        """End the process and the thread."""
        self.usable = False
        self.process.kill()
        self._inbox.put(None)
        self.process.wait()

    def forget(self) -> None:
        """Let go of the pipes in a child that was forked off: they are its parent's."""
        self.usable = False
        self.process.returncode = 0  # it is the parent's to wait for
        _close(self.process)

    def _serve(self) -> None:
        if not self._serving.acquire(blocking=False):
            return  # it was begun twice
        try:
            healthy = self._start()
            while healthy and (delivery := self._inbox.get()) is not None:
                healthy = self._attend(delivery)
        finally:
            self.usable = False
            self.process.kill()
            self.process.wait()
            self._turn_away()
            self._closed = True
            _close(self.process)

    def _start(self) -> bool:
        """Wait until sympy is loaded; where it is not, that is the outcome of the question that waits for it."""
        outcome = self._attempt(None, SECONDS_TO_START)
        if isinstance(outcome, Failure):
            with suppress(Empty):
                if (delivery := self._inbox.get_nowait()) is not None:
                    delivery.outcomes.put(DIED)
        return not isinstance(outcome, Failure)

    def _attend(self, delivery: Delivery) -> bool:
        """Answer one question; return whether the process is of any more use."""
        self._current = delivery  # before the look at `cancelled`: `cancel` looks the other way round
        if delivery.cancelled:
            self._current = None
            return True
        outcome = self._attempt(delivery, delivery.seconds)
        self._current = None
        self.usable = self.usable and not isinstance(outcome, Failure)
        delivery.outcomes.put(outcome)
        return self.usable

    def _turn_away(self) -> None:
        """Give back the questions whose turn did not come."""
        with suppress(Empty):
            while True:
                delivery = self._inbox.get_nowait()
                if delivery is not None:
                    delivery.outcomes.put(UNTRIED)

    def _attempt(self, delivery: Delivery | None, seconds: float) -> Outcome:
        """Return the answer to a question (None: the line that says that the process is ready)."""
        deadline = time.monotonic() + seconds
        try:
            if delivery is not None:
                self._send(delivery.line, deadline)
            answer = self._receive(READY if delivery is None else delivery.question.number, deadline)
        except TimeoutError:
            return Failure(f"no derivative within {seconds:g} s")
        except Exception:  # noqa: BLE001 (the pipe broke, or what came is no line of ours: either way it is of no use)
            return DIED
        return EXHAUSTED if answer.exhausted else answer

    def _send(self, line: bytes, deadline: float) -> None:
        stream, rest = _stream(self.process.stdin).fileno(), memoryview(line)
        while rest:
            _wait(stream, select.POLLOUT, deadline)
            with suppress(BlockingIOError):
                rest = rest[os.write(stream, rest) :]

    def _receive(self, number: int, deadline: float) -> Answer:
        """Return the answer with a number; one with another number is nobody's."""
        while True:
            answer = Answer.from_line(self._line(deadline))
            if answer.number == number:
                return answer

    def _line(self, deadline: float) -> bytes:
        stream = _stream(self.process.stdout).fileno()
        while b"\n" not in self._received:
            _wait(stream, select.POLLIN, deadline)
            chunk = os.read(stream, CHUNK)
            if not chunk:
                raise EOFError
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return bytes(line)


def _wait(stream: int, event: int, deadline: float) -> None:
    """Wait until a pipe can be read or written; TimeoutError where it cannot in time."""
    poll = select.poll()
    poll.register(stream, event)
    while not poll.poll(1000 * min(max(0.0, deadline - time.monotonic()), LONGEST_POLL)):
        if time.monotonic() >= deadline:
            raise TimeoutError


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101 (both are pipes)
    return stream


def _close(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        with suppress(OSError):
            _stream(stream).close()
