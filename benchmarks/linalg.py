"""Time and memory of checking linear algebra in double precision, beside PyTorch's own forward and backward.

python benchmarks/linalg.py [--sizes 33,128,512] [--ops qr,svd] [--limit SECONDS] [--json FILE]

Every row is a process of its own with one thread, warm: its derivatives are known. Exits 1 if a verdict is not `match`,
or if a row takes longer than the limit.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from gradcli import api

# {n} is the size, {h} half of it; `a` is n x n, `b` is n x 4.
PROGRAMS = {
    "inv": "torch.linalg.inv(a)",
    "solve": "torch.linalg.solve(a, b)",
    "cholesky": "torch.linalg.cholesky(a @ a.T + torch.eye({n}))",
    "lu": "torch.linalg.lu(a)[1] @ torch.sin(torch.linalg.lu(a)[2])",
    "lu_factor": "torch.linalg.lu_factor(a)[0]",
    "qr": "torch.sin(torch.linalg.qr(a)[0]) @ torch.linalg.qr(a)[1]",
    "eigh": "torch.linalg.eigh(a + a.T)[1]**2 @ torch.linalg.eigh(a + a.T)[0]",
    "eigvalsh": "torch.linalg.eigvalsh(a + a.T)",
    "svd": "torch.linalg.svd(a, full_matrices=False)[0]**2 @ torch.linalg.svd(a, full_matrices=False)[1]",
    "svdvals": "torch.linalg.svdvals(a)",
    "det": "torch.linalg.det(a / {n}**0.5)",
    "slogdet": "torch.linalg.slogdet(a)[1]",
    "logdet": "torch.logdet(a @ a.T + torch.eye({n}))",
    "matrix_exp": "torch.linalg.matrix_exp(a / {n}**0.5)",
    "pinv": "torch.linalg.pinv(a[:, :{h}])",
    "lstsq": "torch.linalg.lstsq(a[:, :{h}], b)[0]",
    "nuclear norm": "torch.linalg.matrix_norm(a, 'nuc')",
    "spectral norm": "torch.linalg.matrix_norm(a, 2)",
    "cond": "torch.linalg.cond(a)",
}
PEAK = re.compile(r"^VmHWM:\s*(\d+) kB", re.MULTILINE)
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One op at one size."""

    op: str
    size: int
    verdict: str
    seconds: float
    """Median of one `evaluate`."""
    pytorch_seconds: float
    """Median of one forward and backward."""
    mebibytes: float
    """Peak memory of the process, Python and PyTorch included."""


def main() -> None:
    """Measure and print every row."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", default="33,128,512", help="sizes, with commas between them")
    parser.add_argument("--ops", default=",".join(PROGRAMS), help="names of rows, with commas between them")
    parser.add_argument("--limit", type=float, default=10.0, help="the most seconds that a row may take")
    parser.add_argument("--json", type=Path, help="a file for the rows as data")
    parser.add_argument("--row", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(json.dumps(asdict(measured(options.row[0], int(options.row[1])))))
        return
    print(f"{'op':14} {'n':>4}  {'verdict':9} {'seconds':>8} {'times forward + backward':>25} {'peak MiB':>9}")
    rows = [shown(apart(op, int(n))) for n in options.sizes.split(",") for op in options.ops.split(",")]
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    late = [row for row in rows if row.verdict != "match" or row.seconds > options.limit]
    if late:
        sys.exit(f"expected match within {options.limit:g} s: " + ", ".join(f"{row.op} {row.size}" for row in late))


def apart(op: str, size: int) -> Row:
    """Return a row that a process of its own has measured."""
    command = [sys.executable, __file__, "--row", op, str(size)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return Row(**json.loads(done.stdout.splitlines()[-1]))


def shown(row: Row) -> Row:
    """Print a row."""
    ratio = row.seconds / row.pytorch_seconds
    print(
        f"{row.op:14} {row.size:4}  {row.verdict:9} {row.seconds:8.3f} {ratio:25.1f} {row.mebibytes:9.0f}", flush=True
    )
    return row


def measured(op: str, size: int) -> Row:
    """Return a row, measured in this process."""
    torch.set_num_threads(1)
    program, leaves = point(op, size)
    api.evaluate(*point(op, 3), reduce="sum")  # derives what is needed
    seconds, report = median(lambda: api.evaluate(program, leaves, reduce="sum"))

    own, _ = median(lambda: forward_and_backward(program, leaves))
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = PEAK.search(status)
    return Row(op, size, report.verdict.value, seconds, own, int(peak[1]) / 1024 if peak else 0.0)


def point(op: str, size: int) -> tuple[str, dict[str, torch.Tensor]]:
    """Return a row's program and its leaves."""
    program = PROGRAMS[op].format(n=size, h=max(1, size // 2))
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(size, size, generator=generator, dtype=torch.float64)
    b = torch.randn(size, 4, generator=generator, dtype=torch.float64)
    return program, {"a": a, "b": b} if ", b)" in program else {"a": a}


def median(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the median time of a call, and what it returned last."""
    times, result = [], None
    for _ in range(ROUNDS):
        started = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - started)
    return statistics.median(times), result


def forward_and_backward(program: str, leaves: dict[str, torch.Tensor]) -> None:
    """Run a program of ours in PyTorch alone."""
    torch.set_default_dtype(torch.float64)
    own = {name: leaf.clone().requires_grad_() for name, leaf in leaves.items()}
    eval(program, {"torch": torch, **own}).sum().backward()  # noqa: S307 (the programs above)


if __name__ == "__main__":
    main()
