"""Commands that are stopped, killed and interrupted at random: no verdict is lost unsaid, nothing hangs, nothing stays.

python benchmarks/interrupts.py              120 commands
python benchmarks/interrupts.py --runs 20    fewer of them
python benchmarks/interrupts.py --seed 7     other moments

Each command, of one program, of a suite, of a script or of a file with a Function, meets one disturbance at a random
moment: Ctrl-C, SIGTERM or SIGHUP to it or to its whole group, or, in any of its processes, SIGKILL or SIGSTOP and later
SIGCONT. It must end in time, without a traceback, and leave no process behind. Where its exit code is 0 its report must
be what it is undisturbed, and that must be its exit code after a mere SIGSTOP. Exits 1 where any of this was not so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

SUITE = "\n".join(
    f'[[check]]\nprogram = "{program}"\nwitnesses = ["symbolic", "taylor"]'
    for program in ("sin(x)*y", "tanh(x + y)", "exp(-x**2)", "log1p(x*x)", "x/y", "atan2(x, y)", "erf(x)*y", "cosh(x)")
)
FUNCTION = """
import torch

class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g
"""
SCRIPT = """
import torch

x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
for _ in range(3):
    (x.sin() * x.exp()).sum().backward()
"""
COMMANDS = (
    ["eval", "sin(x)*y + tanh(x*y)", "--value", "x=0.5", "--value", "y=2", "--json"],
    ["check", "exp(x)*y", "--value", "x=0.5", "--value", "y=2", "--json"],
    ["check", "suite.toml", "--json"],
    ["check", "suite.toml", "--json", "-j", "2"],
    ["custom", "functions.py:Square", "--shape", "3", "--json"],
    ["derive", "softmax(x, dim=-1)*y", "--shape", "3", "--json"],
    ["prove", "tanh(x)*y", "--json"],
    ["graph", "sin(x)*y", "--json"],
    ["plot", "relu(x)*sin(x)", "--samples", "21", "--json"],
    ["report", "sin(x)*y", "--json"],
    ["run", "--json", "script.py"],
)
MARK = "GRADCLI_BENCHMARK_RUN"  # in the environment of everything that a command starts
LONGEST = 150.0  # seconds for a command
LONGEST_STOP = 4.0  # seconds
SECONDS_TO_VANISH = 10.0
UNSAID = ("Traceback", "resource_tracker", "Exception ignored")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int | None
    """Its exit status, negative for a signal; None if it hung."""
    report: object
    """Its report without times, or None."""
    errors: str
    """What it said on standard error."""
    left: Sequence[str]
    """The processes that it left behind."""


def parts(mark: str) -> list[psutil.Process]:
    """Return the processes of a command, but for Python's own that tidies up after others."""
    return [one for one in marked(mark) if "resource_tracker" not in " ".join(one.cmdline())]


def marked(mark: str) -> list[psutil.Process]:
    """Return the processes that a command has started and that run."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def timeless(text: str) -> object:
    """Return a JSON report without its times; None for what is none."""
    with suppress(ValueError):
        data = json.loads(text)
        for check in data.get("checks", ()):
            check.pop("seconds", None)
        return data
    return None


def run(command: Sequence[str], folder: Path, disturb: Callable[[subprocess.Popen[str], str], None] | None) -> Ended:
    """Run a command while something happens to it."""
    mark = uuid.uuid4().hex
    environment = {**os.environ, MARK: mark, "XDG_CACHE_HOME": str(folder / mark)}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        [sys.executable, "-m", "gradcli", *command],
        cwd=folder,
        env=environment,
        text=True,
        start_new_session=True,
        **pipes,
    )
    if disturb is not None:
        disturb(process, mark)
    code: int | None = None
    try:
        output, errors = process.communicate(timeout=LONGEST)
        code = process.returncode
    except subprocess.TimeoutExpired:
        output, errors = "", f"hung: {[(one.pid, one.status(), one.cmdline()[-3:]) for one in marked(mark)]}"
    return Ended(code, timeless(output), errors, vanish(mark))


def vanish(mark: str) -> list[str]:
    """Return what a command has left behind after some seconds, and end it."""
    until = time.monotonic() + SECONDS_TO_VANISH
    while (left := marked(mark)) and time.monotonic() < until:
        time.sleep(0.1)
    told = []
    for one in left:
        with suppress(psutil.Error):
            told.append(f"{one.status()} {' '.join(one.cmdline()[-4:])}")
            one.kill()
    return told


@dataclass(frozen=True)
class Disturbance:
    """What happens to a command, and when."""

    kind: str
    moment: float
    """Seconds after its start."""
    length: float
    """Seconds of a stop."""
    part: float
    """Which of its processes, as a fraction of all."""

    def __call__(self, process: subprocess.Popen[str], mark: str) -> None:
        """Wait for the moment, and disturb."""
        with suppress(subprocess.TimeoutExpired):
            process.wait(self.moment)
            return
        kind, _, number = self.kind.partition(" ")
        if kind == "self":
            process.send_signal(getattr(signal, number))
        elif kind == "group":
            os.killpg(process.pid, getattr(signal, number))
        else:
            self._meet_part(mark, kind)

    def _meet_part(self, mark: str, kind: str) -> None:
        with suppress(psutil.Error, IndexError):
            found = parts(mark)
            part = found[int(self.part * len(found))]
            if kind == "kill":
                part.kill()
                return
            part.suspend()
            time.sleep(self.length)
            part.resume()


KINDS = {
    "self SIGINT": 2,
    "group SIGINT": 2,
    "self SIGTERM": 2,
    "group SIGTERM": 1,
    "self SIGHUP": 1,
    "self SIGKILL": 1,
    "kill": 4,
    "stop": 4,
}


def faults(ended: Ended, kind: str, right: Ended) -> list[str]:
    """Return what is wrong with how a command ended."""
    found = [f"{len(ended.left)} left behind: {ended.left}"] if ended.left else []
    if ended.code is None:
        return [*found, ended.errors]
    found += [f"says {word}: {ended.errors}" for word in UNSAID if word in ended.errors]
    if ended.code == 0 and ended.report != right.report:
        found.append(f"exit 0 with another report: {json.dumps(ended.report)[:300]}")
    if kind == "stop" and ended.code != 0:
        found.append(f"exit {ended.code} after a stop: {ended.errors}")
    if kind == "kill" and ended.code not in {0, 2, 3, 4, -signal.SIGKILL, -signal.SIGTERM}:  # 2: a file did it
        found.append(f"exit {ended.code} after a kill: {ended.errors}")
    return found


def main() -> None:
    """Run the commands, each with one disturbance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=120, help="how many commands")
    parser.add_argument("--seed", type=int, default=0, help="of the disturbances")
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 (not for secrets)
    came: Counter[tuple[str, int | None]] = Counter()
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "suite.toml").write_text(SUITE, encoding="utf-8")
        (folder / "functions.py").write_text(FUNCTION, encoding="utf-8")
        (folder / "script.py").write_text(SCRIPT, encoding="utf-8")
        started = [time.monotonic()]
        right = []
        for command in COMMANDS:
            right.append(run(command, folder, None))
            started.append(time.monotonic())
        for number in range(options.runs):
            place = number % len(COMMANDS)
            kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
            moment = chance.uniform(0.0, 1.1 * (started[place + 1] - started[place]))
            disturbance = Disturbance(kind, moment, chance.uniform(0.0, LONGEST_STOP), chance.random())
            ended = run(COMMANDS[place], folder, disturbance)
            came[kind, ended.code] += 1
            for fault in faults(ended, kind, right[place]):
                wrong += 1
                print(f"{' '.join(COMMANDS[place])}: {disturbance}: {fault}", flush=True)
    for (kind, code), count in sorted(came.items(), key=str):
        print(f"{count:5} {kind}: {'hung' if code is None else f'exit {code}'}")
    print(f"{options.runs} commands, {wrong} faults")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
