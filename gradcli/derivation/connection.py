"""One sympy process, and the only thread that talks to it.

Whoever asks puts a request into the thread's inbox and waits for the answer in a queue of the request's own. So nothing
that happens to the one who asks (a time limit, Ctrl-C, another thread) can leave half a line in a pipe, or an answer
that is taken for another question's. The thread asks one question at a time, and ends with its process: at the first
answer that is late, missing or malformed.
"""

from __future__ import annotations

import math
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

from gradcli.derivation.protocol import READY, Answer, Query

# For the process to load sympy; the limits of requests begin then.
SECONDS_TO_START = 60.0
# Between two looks at whether an answer is still to come, and still wanted.
SECONDS_BETWEEN_LOOKS = 0.2
# For a process that was stopped to go on, as one does that was stopped together with this one.
SECONDS_STOPPED = 2.0
# Share of the time that a process must have computed for its lack of an answer to be the question's fault.
BUSY = 0.5
# For the answer to a question that nobody waits for any more: most are sooner there than another process.
SECONDS_UNWANTED = 1.0
CHUNK = 1 << 16
# Variables for the streams and warnings of the program that uses gradcli.
OTHERS_SETTINGS = {"PYTHONIOENCODING", "PYTHONWARNINGS"}


@dataclass(frozen=True, slots=True)
class Failure:
    """There is no answer, which says nothing about the question: the next attempt may have one."""

    reason: str
    """Why, for the user."""
    again: bool = False
    """The process broke down, or had no chance to compute: another attempt is due."""


UNTRIED = Failure("the symbolic worker was ended", again=True)
STOPPED = Failure("the symbolic worker was stopped", again=True)
DIED = Failure("the symbolic worker died", again=True)
EXHAUSTED = Failure("the derivation needs more memory than the limit", again=True)

Outcome: TypeAlias = "Answer | Failure"


@dataclass(slots=True, eq=False)
class Delivery:
    """A question on its way through one connection."""

    question: Query
    """What is asked, under a number of its own."""
    line: bytes
    """The question as the process reads it."""
    seconds: float
    """The time for the answer, from when the process is given the question."""
    outcomes: SimpleQueue[Outcome] = field(default_factory=SimpleQueue)
    """Where the outcome is put."""
    cancelled: bool = False
    """Nobody waits any more: it is left out, or ended if it takes long."""


class StoppedError(Exception):
    """The process was stopped by a signal, and does not go on."""


@dataclass(slots=True)
class Patience:
    """How long the process is waited for."""

    deadline: float
    """The end, by the monotonic clock."""
    delivery: Delivery | None
    """The question that is waited for; if it is given up, the end is near."""
    process: int
    """The number of the process."""
    stopped: float = 0.0
    """The seconds for which it has been stopped."""

    def wait(self, stream: int, event: int) -> None:
        """Wait until a pipe can be read or written; TimeoutError, or StoppedError, if it cannot."""
        poll = select.poll()
        poll.register(stream, event)
        while not poll.poll(1000 * min(max(0.0, self.deadline - time.monotonic()), SECONDS_BETWEEN_LOOKS)):
            if self.delivery is not None and self.delivery.cancelled:
                self.deadline = min(self.deadline, time.monotonic() + SECONDS_UNWANTED)
            if time.monotonic() >= self.deadline:
                raise TimeoutError
            self.stopped = self.stopped + SECONDS_BETWEEN_LOOKS if _is_stopped(self.process) else 0.0
            if self.stopped >= SECONDS_STOPPED:
                raise StoppedError


def _is_stopped(process: int) -> bool:
    """Return whether a child is stopped by a signal."""
    with suppress(ChildProcessError):
        return os.waitid(os.P_PID, process, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    return False


def _seconds_computed(process: int) -> float:
    """Return for how long a process has computed so far; infinite where that is not known."""
    with suppress(OSError):
        return time.clock_gettime(~process << 3 | 2)  # Linux: the number of the clock of another process
    return math.inf


class Connection:
    """The process that a command starts; it is only its parent's: a child that is forked off must not use it."""

    def __init__(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(  # noqa: S603 (our own module)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={name: value for name, value in os.environ.items() if name not in OTHERS_SETTINGS},
        )
        os.set_blocking(_stream(self.process.stdin).fileno(), False)
        self.usable = True
        self._parent = os.getpid()
        self._closed = False
        self._inbox: SimpleQueue[Delivery | None] = SimpleQueue()
        self._serving = threading.Lock()
        self._received = bytearray()

    def begin(self) -> None:
        """Start the thread, unless it runs."""
        if not self._serving.locked():
            threading.Thread(target=self._serve, name="gradcli-symbolic", daemon=True).start()

    def post(self, question: Query, seconds: float) -> Delivery:
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
        healthy = not isinstance(outcome, Failure) and outcome.defect is None
        if not healthy:
            with suppress(Empty):
                if (delivery := self._inbox.get_nowait()) is not None:
                    delivery.outcomes.put(DIED if isinstance(outcome, Failure) else outcome)
        return healthy

    def _attend(self, delivery: Delivery) -> bool:
        """Answer one question; return whether the process is of any more use."""
        if delivery.cancelled:
            return True
        outcome = self._attempt(delivery, delivery.seconds)
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
        patience = Patience(time.monotonic() + seconds, delivery, self.process.pid)
        computed = _seconds_computed(self.process.pid)
        try:
            if delivery is not None:
                self._send(delivery.line, patience)
            answer = self._receive(READY if delivery is None else delivery.question.number, patience)
        except StoppedError:
            return STOPPED
        except TimeoutError:
            idle = _seconds_computed(self.process.pid) - computed < BUSY * seconds
            return Failure(f"no derivative within {seconds:g} s", again=idle)
        except Exception:  # noqa: BLE001 (the pipe broke, or this is not a line of ours: either way it is of no use)
            return DIED
        return EXHAUSTED if answer.exhausted else answer

    def _send(self, line: bytes, patience: Patience) -> None:
        stream, rest = _stream(self.process.stdin).fileno(), memoryview(line)
        while rest:
            patience.wait(stream, select.POLLOUT)
            with suppress(BlockingIOError):
                rest = rest[os.write(stream, rest) :]

    def _receive(self, number: int, patience: Patience) -> Answer:
        """Return the answer with a number; one with another number is nobody's."""
        while True:
            answer = Answer.from_line(self._line(patience))
            if answer.number == number:
                return answer

    def _line(self, patience: Patience) -> bytes:
        stream = _stream(self.process.stdout).fileno()
        while b"\n" not in self._received:
            patience.wait(stream, select.POLLIN)
            chunk = os.read(stream, CHUNK)
            if not chunk:
                raise EOFError
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return bytes(line)


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101 (both are pipes)
    return stream


def _close(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        with suppress(OSError):
            _stream(stream).close()
