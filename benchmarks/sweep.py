"""Every example of the op table, by every command and in every format: nothing but a report or the user's error.

python benchmarks/sweep.py                        every seventh run in each dtype: minutes
python benchmarks/sweep.py --every 1              all of them: an hour
python benchmarks/sweep.py --dtype float32        in one dtype
python benchmarks/sweep.py --start 3              other ones of every seventh
python benchmarks/sweep.py --seconds 60           no longer than that

Prints how many runs ended in what, and each that is a defect of gradcli's own. Exits 1 if there is one.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import torch

from gradcli.engine import evaluate_program, stop_worker
from gradcli.errors import ExitCode, GradcliError
from gradcli.execution.forward.domains import parse_example
from gradcli.ops.table import OPS
from gradcli.render import FORMATS
from gradcli.render.style import style_for
from gradcli.settings import DataType, Settings

COMMANDS = ("eval", "grad", "check", "trace", "jvp", "jacobian", "hessian", "double-backward", "accumulate")
SECONDS = 30.0  # for one run


@dataclass(frozen=True, slots=True)
class Run:
    """One command on one example."""

    example: str
    command: str
    dtype: str

    def outcome(self) -> str:
        """Return what the run ended in: a verdict, an exit code, or the defect."""
        program, shapes = parse_example(self.example)
        names = tuple(shapes)[:1] if self.command == "grad" else None
        settings = Settings(
            command=self.command,  # type: ignore[arg-type]
            shapes=dict(shapes),
            dtype=self.dtype,  # type: ignore[arg-type]
            init=None if self.command == "check" else "uniform",
            reduce="sum" if self.command == "hessian" else "none",
            grad_output=None if self.command in {"jvp", "jacobian", "hessian"} else "ones",
            wrt=names,
            allow_unused=self.command == "grad",
            tangents=dict.fromkeys(tuple(shapes)[:1], 1.0) if self.command == "jvp" else {},
            times=2 if self.command in {"accumulate", "double-backward"} else 1,
            timeout=SECONDS,
        )
        try:
            report = evaluate_program(program, settings)
            for form in FORMATS.values():
                form.render(report, style_for(None))
        except GradcliError as error:
            return f"DEFECT {error.message}" if error.exit_code == ExitCode.INTERNAL else f"exit {error.exit_code:d}"
        except Exception as error:  # noqa: BLE001 (what this looks for)
            return f"DEFECT {type(error).__name__}: {error}"
        return str(report.verdict)


def runs(dtypes: list[str], start: int, every: int) -> Iterator[Run]:
    """Yield some of all runs, spread over examples and commands."""
    examples = [example for op in OPS for record in (op, *op.overloads) for example in record.examples]
    everything = [Run(example, command, dtype) for dtype in dtypes for example in examples for command in COMMANDS]
    yield from everything[start::every]


def main() -> int:
    """Run the sweep."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--dtype", action="append", choices=get_args(DataType))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    outcomes: Counter[str] = Counter()
    started = time.monotonic()
    for run in runs(options.dtype or list(get_args(DataType)), options.start, options.every):
        if time.monotonic() - started > options.seconds:
            print("the time is up")
            break
        found = run.outcome()
        outcomes[found.partition(" ")[0]] += 1
        if found.startswith("DEFECT"):
            print(f"{run.command} {run.dtype} {run.example}: {found}", flush=True)
    stop_worker()
    print(f"{sum(outcomes.values())} runs in {time.monotonic() - started:.0f} s: {dict(outcomes)}")
    return 1 if outcomes["DEFECT"] else 0


if __name__ == "__main__":
    sys.exit(main())
