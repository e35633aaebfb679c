"""The gradients of attention, verified by gradcli and by what else there is, side by side.

python benchmarks/peers.py [--sizes 16,64,256,1024] [--jax PATH/TO/python] [--limit SECONDS] [--json FILE]

Single-head attention of n x 64 in double precision, one thread, warm, medians; processor time. gradcli compares every
entry of every gradient with the symbolic derivative. Beside it:

- forward and backward: PyTorch alone, which is the least that any check takes;
- gradcheck: `torch.autograd.gradcheck`, every entry by finite differences; where it would take longer than the limit,
  the row says how long, from the Jacobian-vector products that it needs;
- gradcheck fast: its fast mode, along one random direction;
- check_grads: `jax.test_util.check_grads` in reverse mode, along one random direction, in an environment with jax;
- sympy: the loss written out entry by entry, and differentiated by one entry of Q: how long every entry would take.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import gradcli

PROGRAM = "softmax(Q @ K.T / 8, dim=-1) @ V"
WIDTH = 64
ROUNDS = 5
JAX = """
import sys, time, statistics
import jax
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")
from jax.test_util import check_grads
def attention(q, k, v):
    return jax.nn.softmax(q @ k.T / 8, axis=-1) @ v
given = [jax.random.normal(jax.random.PRNGKey(i), (int(sys.argv[1]), 64), dtype="float64") for i in range(3)]
compiled, times = jax.jit(attention), []
for _ in range(6):
    started = time.process_time()
    check_grads(compiled, given, order=1, modes=["rev"])
    times.append(time.process_time() - started)
print(statistics.median(times[1:]))
"""
# Of the loss that is written out for sympy.
SMALL = 4


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return single-head attention, as PyTorch's users write it."""
    return torch.softmax(q @ k.T / 8, dim=-1) @ v


def seconds(work: Callable[[], Any]) -> float:
    """Return the processor time of a call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def median(work: Callable[[], Any], limit: float) -> float:
    """Return the median of some calls after a first one."""
    first = seconds(work)
    return first if first > limit / ROUNDS else statistics.median(seconds(work) for _ in range(ROUNDS))


def inputs_of(length: int) -> dict[str, Tensor]:
    """Return queries, keys and values."""
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(length, WIDTH, generator=generator, dtype=torch.float64) for name in "QKV"}


def ours(length: int, limit: float) -> float:
    """Return the time of a check of every entry, whose verdict must be a match."""
    inputs, verdicts = inputs_of(length), set()

    def check() -> None:
        report = gradcli.check(PROGRAM, inputs, grad_output="random", witnesses=("symbolic",))
        verdicts.add(report.verdict)

    found = median(check, limit)
    if verdicts != {"match"}:
        sys.exit(f"{verdicts} at {length}")
    return found


def leaves(length: int) -> list[Tensor]:
    """Return the inputs as leaves that require grad."""
    return [value.requires_grad_() for value in inputs_of(length).values()]


def forward_and_backward(length: int, limit: float) -> float:
    """Return the time of PyTorch alone."""
    given = leaves(length)
    upstream = torch.ones(length, WIDTH, dtype=torch.float64)
    return median(lambda: attention(*given).backward(upstream), limit)


def gradcheck(length: int, limit: float) -> float:
    """Return the time of a check by finite differences of every entry, or about how long it would be."""
    given = leaves(length)
    entries, once = 3 * length * WIDTH, forward_and_backward(length, limit)
    expected = entries * once  # two evaluations for each entry, and one backward pass for each of the result
    return expected if expected > limit else seconds(lambda: torch.autograd.gradcheck(attention, given))


def gradcheck_fast(length: int, limit: float) -> float:
    """Return the time of gradcheck's fast mode."""
    given = leaves(length)
    return median(lambda: torch.autograd.gradcheck(attention, given, fast_mode=True), limit)


def check_grads(python: Path | None, length: int) -> float | None:
    """Return the time of JAX's check; None without an environment for it."""
    if python is None:
        return None
    flags = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1", "PATH": ""}
    done = subprocess.run([str(python), "-c", JAX, str(length)], capture_output=True, text=True, check=False, env=flags)
    return float(done.stdout) if done.returncode == 0 else None


def by_sympy(length: int) -> float:
    """Return about how long sympy takes for every entry: of a small loss, and as its size grows."""
    import sympy

    q, k, v = (sympy.Matrix(SMALL, SMALL, sympy.symbols(f"{name}:{SMALL * SMALL}")) for name in "qkv")
    scores = (q * k.T / 8).applyfunc(sympy.exp)
    loss = sum((scores[i, :] * v)[j] / sum(scores[i, :]) for i in range(SMALL) for j in range(SMALL))
    once = seconds(lambda: sympy.diff(loss, q[0, 0]))
    # The loss has n * 64 terms of n exponentials of 64 products, and there are 3 * n * 64 derivatives.
    return once * (length / SMALL) ** 2 * (WIDTH / SMALL) ** 2 * 3 * length * WIDTH


def row(length: int, limit: float, python: Path | None) -> dict[str, float | None]:
    """Return the seconds of each at one size."""
    return {
        "gradcli": ours(length, limit),
        "forward and backward": forward_and_backward(length, limit),
        "gradcheck": gradcheck(length, limit),
        "gradcheck fast": gradcheck_fast(length, limit),
        "check_grads": check_grads(python, length),
        "sympy": by_sympy(length),
    }


def main() -> None:
    """Measure, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="16,64,256,1024", help="with commas between")
    parser.add_argument("--jax", type=Path, help="the Python of an environment with jax")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one measurement (default: 60)")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    rows = {}
    for length in map(int, options.sizes.split(",")):
        rows[length] = row(length, options.limit, options.jax)
        mine = rows[length]["gradcli"] or 0.0
        print(f"n = {length}: gradcli {1e3 * mine:.1f} ms", flush=True)
        for name, value in [*rows[length].items()][1:]:
            told = "not measured" if value is None else f"{value:.4g} s, {value / mine:.3g} times gradcli's"
            about = " (from what a part of it takes)" if name == "sympy" or (value or 0) > options.limit else ""
            print(f"  {name:<22}{told}{about}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"one thread, processor time, torch {torch.__version__}; peak memory {peak:.0f} MiB")
    if options.json:
        options.json.write_text(json.dumps({"rows": rows, "torch": torch.__version__}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
