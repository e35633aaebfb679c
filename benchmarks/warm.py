"""How fast a warm process verifies: derivations are cached, every element of every tensor is compared.

python benchmarks/warm.py             all measurements
python benchmarks/warm.py chain op    some of them

Medians of runs in this one process, the two sides of a ratio in turn; exits 1 where a bound is not met.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

import gradcli
from gradcli.engine import shared_derivations
from gradcli.execution.forward.domains import leaves_for, parse_example
from gradcli.language.parser import parse
from gradcli.ops.table import OPS, find

ATTENTION = "softmax(Q @ K.T / 8, dim=-1) @ V"
WIDTH = 64
LINE = "x{next} = tanh(x{this}) * 0.9 + x{this} * 0.1"
OPERATIONS_A_LINE = 4
RANK = 2
WARM_UP = 3


def verify(program: str, inputs: dict[str, Tensor]) -> gradcli.Report:
    """Return the report of a program; the table's examples show wrong gradients of PyTorch's, too."""
    return gradcli.check(program, inputs, grad_output="ones", witnesses=("symbolic",))


def check(program: str, inputs: dict[str, Tensor]) -> None:
    """Verify a program; the verdict must be a pass."""
    report = verify(program, inputs)
    if report.verdict not in {"match", "subgradient"}:
        sys.exit(f"{program!r} has the verdict {report.verdict}")


def attention_inputs(length: int) -> dict[str, Tensor]:
    """Return queries, keys and values."""
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(length, WIDTH, generator=generator, dtype=torch.float64) for name in "QKV"}


def attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return single-head attention, as PyTorch's users write it."""
    return torch.softmax(queries @ keys.T / WIDTH**0.5, dim=-1) @ values


def leaves(inputs: dict[str, Tensor]) -> list[Tensor]:
    """Return copies that require grad."""
    return [tensor.clone().requires_grad_() for tensor in inputs.values()]


def seconds(function: Callable[..., Any], *arguments: Any) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def forward_and_backward(tensors: list[Tensor]) -> None:
    """Run attention and its backward pass in PyTorch, and nothing else."""
    output = attention(*tensors)
    output.backward(torch.ones_like(output))


def gradcheck(tensors: list[Tensor]) -> None:
    """Run PyTorch's own check by finite differences, every entry of the Jacobian."""
    torch.autograd.gradcheck(attention, tensors)


def beside_gradcheck(length: int = 64, rounds: int = 3, inner: int = 15) -> tuple[str, float]:
    """Return how many times as long as gradcli `gradcheck` takes."""
    inputs = attention_inputs(length)
    ours, theirs = [], []
    for _ in range(rounds):
        ours += [seconds(check, ATTENTION, inputs) for _ in range(inner)][WARM_UP:]
        theirs.append(seconds(gradcheck, leaves(inputs)))
    ratio = statistics.median(theirs) / statistics.median(ours)
    return f"{1e3 * statistics.median(ours):.1f} ms, gradcheck {statistics.median(theirs):.2f} s", ratio


def beside_backward(length: int = 1024, rounds: int = 15) -> tuple[str, float]:
    """Return how many times as long as one forward and backward pass gradcli takes."""
    inputs = attention_inputs(length)
    pairs = []
    for _ in range(rounds + WARM_UP):
        tensors = leaves(inputs)
        pairs.append((seconds(check, ATTENTION, inputs), seconds(forward_and_backward, tensors)))
    return compared(pairs[WARM_UP:], "forward and backward")


def chains(long: int = 1600, short: int = 400, rounds: int = 7) -> tuple[str, float]:
    """Return how many times as long as a chain of operations another takes that is four times as long."""
    inputs = {"x0": torch.linspace(-1, 1, 8, dtype=torch.float64)}
    pairs = [(seconds(check, chain(long), inputs), seconds(check, chain(short), inputs)) for _ in range(rounds + 1)]
    return compared(pairs[1:], f"{short} operations")


def chain(operations: int) -> str:
    """Return a program of that many operations, one after the other."""
    return "\n".join(LINE.format(next=k + 1, this=k) for k in range(operations // OPERATIONS_A_LINE))


def compared(pairs: list[tuple[float, float]], other: str) -> tuple[str, float]:
    """Return the medians of both sides in words, and that of their ratios."""
    ours, theirs = (1e3 * statistics.median(side) for side in zip(*pairs, strict=True))
    return f"{ours:.1f} ms, {other} {theirs:.1f} ms", statistics.median(one / two for one, two in pairs)


def new_ops() -> tuple[str, float]:
    """Return the milliseconds that an example of an op takes that must be derived first."""
    check("x*x", {"x": torch.ones(2, 2)})
    first, again, answers = [], [], shared_derivations().answers.derived
    for program, inputs in examples():
        known = len(answers)
        taken = seconds(verify, program, inputs)
        derived = len(answers)
        again.append(seconds(verify, program, inputs))
        if len(answers) != derived:
            sys.exit(f"{program!r} was derived twice")
        first += [taken] if derived > known else []
    text = f"medians of {len(first)} examples that need a derivation"
    return f"{text}, {1e3 * statistics.median(again):.1f} ms for one already known", 1e3 * statistics.median(first)


def examples() -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield the op table's examples whose largest leaf is a matrix, each at a point inside its domain."""
    for op in OPS:
        for example in (*op.examples, *(text for overload in op.overloads for text in overload.examples)):
            source, shapes = parse_example(example)
            if max((len(shape) for shape in shapes.values()), default=0) == RANK:
                yield source, leaves_for(parse(source), shapes, find)


# What is measured, and the bound that it must keep.
MEASUREMENTS: dict[str, tuple[str, Callable[[], tuple[str, float]], str, float]] = {
    "op": ("one op at rank 2", new_ops, "at most", 50),
    "gradcheck": ("attention 64x64", beside_gradcheck, "at least", 300),
    "backward": ("attention 1024x64", beside_backward, "at most", 5),
    "chain": ("chain of 1600 operations", chains, "at most", 5),
}


def main() -> None:
    """Take the measurements that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(MEASUREMENTS)} (default: all)")
    parser.add_argument("--threads", type=int, help="how many threads PyTorch uses, on both sides")
    options = parser.parse_args()
    torch.set_num_threads(options.threads or torch.get_num_threads())
    warnings.simplefilter("ignore")  # the table has ops that PyTorch has deprecated
    missed = [name for name in options.names or MEASUREMENTS if not measured(name)]
    sys.exit(f"not met: {', '.join(missed)}" if missed else 0)


def measured(name: str) -> bool:
    """Take one measurement, print it, and return whether its bound is kept."""
    label, measure, side, bound = MEASUREMENTS[name]
    text, value = measure()
    unit = " ms" if name == "op" else " times"
    print(f"{label}: {value:.3g}{unit} ({side} {bound}); {text}", flush=True)
    return value <= bound if side == "at most" else value >= bound


if __name__ == "__main__":
    main()
