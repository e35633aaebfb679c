"""Right programs, checked while everything around them goes wrong: no verdict may be wrong, and no check may hang.

python benchmarks/soak.py                 300 checks in one thread, then 300 in two
python benchmarks/soak.py --checks 5000   more of them
python benchmarks/soak.py --seed 7        other ones

Each check may meet a time limit of a few milliseconds, a Ctrl-C at a random moment, the sudden death of the sympy
process, or that it is stopped for up to three seconds. One that is cut short by the first two has no verdict, or is
undecided; every other one must be a match, and after the faults all programs must match. Ctrl-C meets only the main
thread: with two, the other one's checks meet time limits and deaths, and a death may come twice to one question, which
is then undecided. Prints what the checks came to, wrong verdicts, the longest check, and how much memory this process
and the sympy process have gained since a fifth of the checks were done. Exits 1 where a verdict was wrong, a check
hung, or more than 200 MB were gained.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

import gradcli
from gradcli.engine import shared_derivations
from gradcli.errors import ExitCode

# Functions that are smooth at the point of every program, and that PyTorch differentiates correctly.
INNER = ("sin", "cos", "tanh", "exp", "erf", "atan", "sinh", "asinh", "sigmoid", "expm1")
OUTER = ("log1p", "sqrt", "exp", "tanh", "atan", "cosh")
POINT = {"x": 0.7, "y": 1.3}
# How often each fault comes, of a hundred checks.
FAULTS = {"none": 48, "time limit": 20, "interrupt": 20, "death": 10, "stop": 2}
SHORTEST, LONGEST = 0.001, 0.2  # seconds until a fault
LONGEST_STOP = 3.0  # seconds
HANG = 120.0  # seconds
MOST_GAINED = 200.0  # MB
# Faults after which a check may have no verdict.
CUT_SHORT = {"time limit", "interrupt"}


@dataclass
class Soak:
    """What the checks came to."""

    random: random.Random
    excused: frozenset[str] = frozenset(CUT_SHORT)
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def program(self) -> str:
        """Return a program whose gradients are right, and whose derivatives may be new."""
        inner, outer = self.random.choice(INNER), self.random.choice(OUTER)
        factor = self.random.randint(2, 40)
        return f"{outer}({inner}(x)/{factor} + 1) * {self.random.choice(INNER)}(y*{self.random.randint(1, 9)}/9)"

    def delay(self) -> float:
        """Return when a fault comes."""
        return self.random.uniform(SHORTEST, LONGEST)

    def check(self, program: str, fault: str, limit: float = 60.0) -> None:
        """Check a program; `fault` may excuse it from a verdict."""
        shared_derivations().answers.derived.clear()  # everything is asked anew
        started = time.monotonic()
        verdict = _verdict(program, limit)
        self.slowest = max(self.slowest, time.monotonic() - started)
        excused = fault in self.excused and verdict in {"undecided", "interrupted"}
        self.outcomes[f"{verdict} ({fault})"] += 1
        if verdict != "match" and not excused:
            self.wrong.append(f"{program}: {verdict} ({fault})")

    def meet(self, fault: str) -> None:
        """Check a program while a fault comes."""
        if fault == "interrupt":
            with suppress(KeyboardInterrupt), _later(self.delay(), lambda: os.kill(os.getpid(), signal.SIGINT)):
                self.check(self.program(), fault)
        elif fault in {"death", "stop"}:
            with _later(self.delay(), _kill if fault == "death" else self._stop):
                self.check(self.program(), fault)
        else:
            self.check(self.program(), fault, self.delay() if fault == "time limit" else 60.0)

    def _stop(self) -> None:
        """Stop the sympy process for a while."""
        worker = _worker()
        if worker is not None:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGSTOP)
                time.sleep(self.random.uniform(0.0, LONGEST_STOP))
                os.kill(worker, signal.SIGCONT)


def _verdict(program: str, limit: float) -> str:
    try:
        return str(gradcli.evaluate(program, POINT, timeout=limit).verdict)
    except KeyboardInterrupt:
        return "interrupted"
    except gradcli.GradcliError as error:
        timed_out = error.exit_code is ExitCode.UNDECIDED
        return "undecided" if timed_out else f"{type(error).__name__}: {error.message}"
    except Exception as error:  # noqa: BLE001 (it is what is looked for)
        return f"{type(error).__name__}: {error}"


@contextmanager
def _later(seconds: float, action: Callable[[], None]) -> Iterator[None]:
    """Carry an action out after a time, unless the block is over by then."""
    over = threading.Event()

    def act() -> None:
        if not over.wait(seconds):
            action()

    thread = threading.Thread(target=act)
    try:
        thread.start()
        yield
    finally:
        over.set()
        with suppress(KeyboardInterrupt):  # it came after the verdict
            thread.join()
        thread.join()


def _worker() -> int | None:
    """Return the sympy process."""
    children = psutil.Process().children()
    return next((child.pid for child in children if "gradcli.symbolic.worker" in _command(child)), None)


def _command(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def _kill() -> None:
    worker = _worker()
    if worker is not None:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


def memory() -> dict[str, float]:
    """Return how many MB this process and the sympy process hold."""
    held = {"this process": psutil.Process().memory_info().rss / 2**20}
    worker = _worker()
    if worker is not None:
        with suppress(psutil.Error):
            held["sympy process"] = psutil.Process(worker).memory_info().rss / 2**20
    return held


def soak(checks: int, seed: int, *, threads: int) -> bool:
    """Make the checks in one thread or in two, and return whether all went well."""
    excused = frozenset(CUT_SHORT if threads == 1 else FAULTS)  # with two, faults of one meet the other
    run, faults = Soak(random.Random(seed), excused), random.Random(seed + 1)  # noqa: S311 (not for secrets)
    other = Soak(random.Random(seed + 2), excused)  # noqa: S311
    over = threading.Event()

    def beside() -> None:
        while not over.is_set():
            fault = other.random.choice(["death", "time limit"])
            other.check(other.program(), fault, other.delay() if fault == "time limit" else 60.0)

    helper = threading.Thread(target=beside, daemon=True)
    if threads > 1:
        helper.start()
    begun: dict[str, float] = {}
    for number in range(checks):
        faulthandler.dump_traceback_later(HANG, exit=True)
        run.meet(faults.choices(list(FAULTS), list(FAULTS.values()))[0])
        begun = memory() if number == checks // 5 else begun
    over.set()
    if threads > 1:
        helper.join(HANG)
    for _ in range(checks):
        faulthandler.dump_traceback_later(HANG, exit=True)
        run.meet("none")
    faulthandler.cancel_dump_traceback_later()
    gained = told(run, other, begun, threads)
    return not run.wrong and not other.wrong and not helper.is_alive() and gained < MOST_GAINED


def told(run: Soak, other: Soak, begun: dict[str, float], threads: int) -> float:
    """Print what the checks came to, and return how many MB were gained at most."""
    print(f"{threads} thread{'s' if threads > 1 else ''}: {sum(run.outcomes.values())} checks", end="")
    print(f", {sum(other.outcomes.values())} beside them" if threads > 1 else "")
    for outcome, count in sorted((run.outcomes + other.outcomes).items()):
        print(f"  {count:6} {outcome}")
    wrong = [*run.wrong, *other.wrong]
    print(f"  wrong: {len(wrong)}; longest check {max(run.slowest, other.slowest):.1f} s")
    for line in wrong[:20]:
        print(f"    {line}")
    now = memory()
    gained = {name: now[name] - begun[name] for name in now if name in begun}
    print("  memory: " + ", ".join(f"{name} {size:+.1f} MB" for name, size in gained.items()), flush=True)
    return max(gained.values(), default=0.0)


def main() -> None:
    """Soak with one thread, then with two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checks", type=int, default=300, help="checks with faults, and as many after them")
    parser.add_argument("--seed", type=int, default=0, help="of the programs and the faults")
    options = parser.parse_args()
    gradcli.evaluate("x*x", {"x": 2.0})
    shared_derivations().worker.start()
    well = [soak(options.checks, options.seed + threads, threads=threads) for threads in (1, 2)]
    sys.exit(0 if all(well) else 1)


if __name__ == "__main__":
    main()
