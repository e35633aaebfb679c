"""The parent's side of the sympy worker: start it early, ask in batches, kill it when it takes too long."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from gradcli.derivation.messages import DerivativeRequest, Derived

DEFAULT_SECONDS = 10.0
DEFAULT_MEMORY = 2 << 30


@dataclass(slots=True)
class Worker:
    """One sympy process; `ask` is a batch of requests, answered in order.

    `seconds` is the limit for one answer, `memory` the process's address space in bytes.
    """

    seconds: float = DEFAULT_SECONDS
    memory: int = DEFAULT_MEMORY
    _process: subprocess.Popen[str] | None = None
    _answers: queue.SimpleQueue[str | None] = field(default_factory=queue.SimpleQueue)
    _posted: bool = False

    def start(self) -> None:
        """Start the process unless it runs; returns at once, while sympy is still being imported."""
        if self._process is None:
            # -P: a file called sympy.py in the current folder must not be what the worker imports.
            command = [sys.executable, "-P", "-m", "gradcli.symbolic.worker", str(self.memory)]
            self._process = subprocess.Popen(  # noqa: S603 (our own module)
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            self._answers = queue.SimpleQueue()
            threading.Thread(target=_read, args=(self._process, self._answers), daemon=True).start()

    def stop(self) -> None:
        """Kill the process, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    stream.close()  # type: ignore[union-attr]
            self._process = None
            self._posted = False

    def post(self, request: dict[str, Any]) -> None:
        """Send a request whose answer is collected later, or never."""
        self.collect(self.seconds)
        self.start()
        self._posted = True
        threading.Thread(target=_write, args=(self._process, [request]), daemon=True).start()

    def collect(self, seconds: float) -> dict[str, Any] | None:
        """Return the answer to what was posted; None if there is none in time, and then the process is killed."""
        if not self._posted:
            return None
        self._posted = False
        answer = self._next(seconds)
        return None if isinstance(answer, str) else answer

    def ask(self, requests: list[dict[str, Any]]) -> Iterator[dict[str, Any] | str]:
        """Yield an answer for each request, or a sentence that says why there is none."""
        waiting = list(requests)
        self.collect(self.seconds)  # an answer that nobody came for is in the way
        while waiting:
            self.start()
            threading.Thread(target=_write, args=(self._process, list(waiting)), daemon=True).start()
            while waiting:
                answer = self._next(self.seconds)
                waiting.pop(0)
                yield answer
                if isinstance(answer, str):
                    break  # the worker was killed: start a new one for the rest

    def _next(self, seconds: float) -> dict[str, Any] | str:
        reason = f"no derivative within {seconds:g} s"
        with suppress(queue.Empty):
            line = self._answers.get(timeout=seconds)
            if line is not None:
                answer: dict[str, Any] = json.loads(line)
                return answer
            reason = "the symbolic worker died"
        self.stop()
        return reason


def _read(process: subprocess.Popen[str], answers: queue.SimpleQueue[str | None]) -> None:
    with suppress(ValueError, OSError):
        for line in process.stdout or ():
            answers.put(line)
    answers.put(None)


def _write(process: subprocess.Popen[str], requests: list[dict[str, Any]]) -> None:
    stream = process.stdin
    with suppress(OSError, ValueError):
        for request in requests:
            stream.write(json.dumps(request) + "\n")  # type: ignore[union-attr]
        stream.flush()  # type: ignore[union-attr]


@dataclass(slots=True)
class Derivations:
    """Derivatives by signature, formulas by sketch: each is made once in the life of the process."""

    worker: Worker = field(default_factory=Worker)
    known: dict[DerivativeRequest, Derived] = field(default_factory=dict)
    written: dict[str, dict[str, Any]] = field(default_factory=dict)

    def request(self, requests: Iterable[DerivativeRequest]) -> None:
        """Derive what is not known yet."""
        missing = [request for request in dict.fromkeys(requests) if request not in self.known]
        answers = self.worker.ask([{"derive": request.to_data()} for request in missing])
        for request, answer in zip(missing, answers, strict=True):
            failed = isinstance(answer, str)
            self.known[request] = Derived(None, {}, error=answer) if failed else Derived.from_data(answer)  # type: ignore[arg-type]

    def post_formulas(self, sketch: dict[str, Any], seconds: float) -> str:
        """Have the worker write the formulas of a sketch; return the key that they are collected by."""
        key = json.dumps(sketch)
        if key not in self.written:
            self.worker.post({"formulas": sketch, "seconds": seconds})
        return key

    def collect_formulas(self, key: str, seconds: float) -> dict[str, Any]:
        """Return the formulas that were posted last: all that the worker found in its time, none where it died."""
        if key not in self.written:
            answer = self.worker.collect(seconds)
            if answer is None:
                return {}
            self.written[key] = answer
        return self.written[key]


DERIVATIONS = Derivations()
