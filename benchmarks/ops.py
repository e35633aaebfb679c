"""What verifying each op of the table costs at sizes that people use, beside PyTorch's own forward and backward.

python benchmarks/ops.py                          every differentiable op at about 10^5 entries: some minutes
python benchmarks/ops.py --ops cumprod,cdist      some of them
python benchmarks/ops.py --layers                 layers at the sizes of networks instead
python benchmarks/ops.py --entries 1000000 --json FILE

The sample of an op is one of its own examples: axes that are equally long there are made longer by one factor. A row
has the verdict; the time of the first check, which derives, and the median of those after it; how many times one
forward and backward that is; the memory above what the process had; and how fast the time of either grows, as an
exponent. Time is processor time of one thread, so that a busy machine changes little. Where PyTorch's own gradient is a
mismatch, the row has the time of verifying it, and beside it that of the whole check, which also looks for the cause.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import json
import math
import re
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import gradcli
from gradcli.execution.forward.callables import function
from gradcli.execution.forward.domains import leaves_for, parse_example
from gradcli.language.parser import parse
from gradcli.ops.record import Kind, Op
from gradcli.ops.table import OPS, find

Shapes = dict[str, tuple[int, ...]]
PEAK = re.compile(r"^VmHWM:\s*(\d+) kB", re.MULTILINE)
ROUNDS = 3
# Entries of the second sample, in those of the first.
STEP = 4
# Where the result is larger than the leaves, by the second number: into how many parts the leaves' entries are divided.
PARTS, MUCH = (1, 16, 256), 4
# The process's address space: a sample that needs more is none.
MEMORY = 6 << 30
# What one check may take, and the part of it that is enough to time it once.
LIMIT, LONG = 20.0, 2.0
# The bounds: seconds, and times one forward and backward.
MOST, MOST_OF_ALL = (0.02, 8.0), (0.05, 40.0)

# A tolerance that everything is within, so that nothing is left to explain.
ANYTHING = 1e100

# Examples that take the place of an op's own: the product of many random matrices 1 - t v vᵀ overflows, that of
# reflections is orthogonal.
REFLECTIONS = "v = tril(a/20, -1); t = 2/(1 + (v*v).sum(0)); "
EXAMPLES = {
    "linalg.householder_product": (REFLECTIONS + "torch.linalg.householder_product(v, t) | a=4x3",),
    "ormqr": (REFLECTIONS + "torch.ormqr(v, t, b) | a=4x3 b=4x2",),
}

# Why rows may be beyond a bound, or grow faster than PyTorch.
PREFIXES = (
    "its definition has no division, so that entries may be 0: a tree of 2 log2(n) levels of short calls; a product of "
    "so many numbers underflows, so that the definition is run again with other last bits"
)
VECTORS = (
    "a pair of singular vectors is the solution of a system of m + n + 1 unknowns, solved to the last digits, and once "
    "more for what rounding moves; PyTorch divides by differences of singular values"
)
COMPLEX_VECTORS = (
    "a complex eigenvector is a real one of twice the length, and its adjoint solves systems of 2n + 2 unknowns in a "
    "complex basis"
)
TRANSFORM = (
    "its definition is a sum: a length with a large prime factor p takes p products an entry (829 in the second size "
    "of irfft2), where PyTorch's time depends little on it"
)
REASONS = {
    "cumprod": PREFIXES,
    "linalg.vander": PREFIXES,
    "linalg.svd": VECTORS,
    "svd": VECTORS,
    "linalg.eig": COMPLEX_VECTORS,
    "linalg.eigvals": COMPLEX_VECTORS,
    "linalg.qr": "it looks for the rank first, and orthogonalises twice for the digits of Q: three factorisations",
    "linalg.lstsq": "it looks for the rank first, and is made of linalg.qr",
    "batch norm, gradient zero": "what cancels is told by running the definition again with other last bits",
    **{
        f"fft.{name}": TRANSFORM
        for name in ("irfft2", "irfftn", "hfft2", "hfftn", "rfft2", "rfftn", "ihfft2", "ihfftn", "irfft", "hfft")
    },
}

LABELS = "labels"
# Layers at the sizes of networks: the program, and the shapes of its leaves.
LAYERS: dict[str, str] = {
    "linear 512x768 to 3072": "linear(x, w, b) | x=512x768 w=3072x768 b=3072",
    "conv 8x16x32x32": "conv2d(x, w, b, padding=1) | x=8x16x32x32 w=32x16x3x3 b=32",
    "batch norm": "batch_norm(x, None, None, w, b, training=True) | x=8x16x32x32 w=16 b=16",
    "batch norm, gradient zero": "batch_norm(x, None, None, training=True).sum() | x=8x16x32x32",
    "layer norm": "layer_norm(x, (768,), w, b) | x=512x768 w=768 b=768",
    "group norm": "group_norm(x, 4, w, b) | x=8x16x32x32 w=16 b=16",
    "attention 2x8x128x64": "scaled_dot_product_attention(q, k, v) | q=2x8x128x64 k=2x8x128x64 v=2x8x128x64",
    "GELU": "gelu(x) | x=512x768",
    "cross entropy over 10,000": "cross_entropy(x, labels) | x=128x10000 labels=128",
    "bilinear resize": "interpolate(x, scale_factor=2, mode='bilinear') | x=8x16x32x32",
    "grid_sample": "grid_sample(x, tanh(g), align_corners=False) | x=4x8x32x32 g=4x32x32x2",
    "embedding": "embedding(labels, w) | w=10000x64 labels=512",
    "logsumexp": "logsumexp(x, dim=-1) | x=512x768",
}


class Names(dict[str, Any]):
    """The names of a program as Python finds them: its tensors, then the functions of the table, then PyTorch's own."""

    def __missing__(self, name: str) -> Any:
        """Return what is no tensor of the program."""
        if name == "F":
            return torch.nn.functional
        op = find(name)
        return getattr(torch, name) if op is None else function(op.torch)


@dataclass(frozen=True, slots=True)
class Row:
    """One op at two sizes."""

    op: str
    program: str
    entries: int
    verdict: str
    cold: float
    warm: float
    torch: float
    mebibytes: float
    growth: float | None
    growth_torch: float | None
    note: str = ""

    @property
    def ratio(self) -> float:
        """Return how many times one forward and backward a check takes."""
        return self.warm / self.torch

    def is_within(self, bound: tuple[float, float]) -> bool:
        """Tell whether a check takes no longer than some seconds and some times one forward and backward."""
        return self.warm <= bound[0] + bound[1] * self.torch

    def text(self) -> str:
        """Return the row as a line of the table."""
        growth = "" if self.growth is None else f"{self.growth:5.2f}{self.growth_torch:6.2f}"
        mark = " " if self.is_within(MOST) else "!" if self.is_within(MOST_OF_ALL) else "X"
        return (
            f"{mark} {self.op:<36}{self.verdict:<12}{self.entries:>9,}{1e3 * self.cold:>10.1f}{1e3 * self.warm:>10.1f}"
            f"{1e3 * self.torch:>10.2f}{self.ratio:>8.1f}{self.mebibytes:>8.0f}  {growth}{self.note}"
        )


HEAD = (
    f"  {'op':<36}{'verdict':<12}{'entries':>9}{'cold ms':>10}{'warm ms':>10}{'torch ms':>10}{'ratio':>8}{'MiB':>8}"
    "  growth, torch's"
)


def seconds(work: Callable[[], Any]) -> float:
    """Return the processor time of a call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def median(work: Callable[[], Any]) -> float:
    """Return the median of some calls, or the time of one if that takes long."""
    first = seconds(work)
    return first if first > LONG else statistics.median([first, *(seconds(work) for _ in range(ROUNDS - 1))])


def run(code: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """Run a program forward as Python runs it."""
    copies = {name: value.detach().clone() for name, value in inputs.items()}
    names = Names({name: value.requires_grad_(value.is_floating_point()) for name, value in copies.items()})
    exec(code, {}, names)  # noqa: S102 (programs of the table)
    output: Tensor = names["_"]
    return output[0] if isinstance(output, tuple) else output


def forward_and_backward(code: Any, inputs: Mapping[str, Tensor]) -> None:
    """Run a program and its backward pass in PyTorch, and nothing else."""
    output = run(code, inputs)
    output.backward(torch.randn(output.shape, dtype=output.dtype))


def compiled(program: str) -> Any:
    """Return a program as code of Python's that leaves its result in `_`."""
    *before, last = (part.strip() for part in re.split(r"[;\n]", program) if part.strip())
    return compile("\n".join([*before, f"_ = {last}"]), "program", "exec")


def verify(program: str, inputs: Mapping[str, Tensor], atol: float | None = None) -> gradcli.Report:
    """Return the report of a program, every entry compared."""
    return gradcli.check(program, inputs, grad_output="random", witnesses=("symbolic",), timeout=LIMIT, atol=atol)


def memory_above(work: Callable[[], Any]) -> float:
    """Return the MiB by which a call takes the process above what it has (Linux)."""
    ctypes.CDLL(None).malloc_trim(0)  # what was freed before does not count
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _peak()
    work()
    return (_peak() - before) / 1024


def _peak() -> int:
    found = PEAK.search(Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) if found else 0


def point(program: str, shapes: Shapes) -> dict[str, Tensor]:
    """Return values inside the domain of the op; the leaf `labels` holds integers."""
    found = leaves_for(parse(program), shapes, find)
    return {name: torch.arange(len(value)) if name == LABELS else value for name, value in found.items()}


def entries(shapes: Shapes) -> int:
    """Return how many entries all leaves have."""
    return sum(math.prod(shape) for shape in shapes.values())


def scaled(shapes: Shapes, wanted: int) -> Iterator[Shapes]:
    """Yield the shapes with some lengths made longer by one factor until the leaves have that many entries.

    Most lengths first; equal lengths stay equal, as a sum over them needs.
    """
    lengths = sorted({size for shape in shapes.values() for size in shape if size > 1})
    for count in range(len(lengths), 0, -1):
        for chosen in itertools.combinations(reversed(lengths), count):
            yield _grown(shapes, chosen, wanted)
    last = max((shape for shape in shapes.values()), key=math.prod, default=())
    if last:
        yield {
            name: (*(shape[:-1]), shape[-1] * max(1, wanted // entries(shapes))) if shape else ()
            for name, shape in shapes.items()
        }


def _grown(shapes: Shapes, chosen: tuple[int, ...], wanted: int) -> Shapes:
    factor, found = 1.0, shapes
    while entries(found) < wanted:
        factor *= 1.1
        grown = {size: round(size * factor) for size in chosen}
        found = {name: tuple(grown.get(size, size) for size in shape) for name, shape in shapes.items()}
    return found


def sample(op: Op, wanted: int) -> tuple[str, Shapes] | None:
    """Return the first example of an op that runs at about that many entries, of leaves or result; None without one."""
    for example, part in itertools.product(EXAMPLES.get(op.name, op.examples), PARTS):
        program, shapes = parse_example(example)
        for larger in scaled(shapes, wanted // part):
            if runs(program, larger, MUCH * wanted):
                return program, larger
    return None


def runs(program: str, shapes: Shapes, most: int) -> bool:
    """Tell whether a program takes the shapes, has a gradient there, and a result of no more entries."""
    try:
        output = run(compiled(program), point(program, shapes))
        if output.numel() > most:
            return False
        output.backward(torch.ones_like(output))
    except Exception:  # noqa: BLE001 (PyTorch raises anything)
        return False
    return True


def row(name: str, program: str, shapes: Shapes, larger: Shapes | None) -> Row:
    """Return the measurements of one program."""
    inputs, code = point(program, shapes), compiled(program)
    started = time.perf_counter()
    verdict = str(verify(program, inputs).verdict)
    cold = time.perf_counter() - started
    atol = ANYTHING if verdict == "mismatch" else None
    warm, plain = (median(lambda: verify(program, inputs, atol)), median(lambda: forward_and_backward(code, inputs)))
    note = f"  with the cause: {1e3 * median(lambda: verify(program, inputs)):.1f} ms" if atol else ""
    mebibytes = memory_above(lambda: verify(program, inputs)) if warm < LONG else math.nan
    growth = growth_torch = None
    if larger is not None and warm < LONG:
        more, step = point(program, larger), math.log(entries(larger) / entries(shapes))
        growth = math.log(median(lambda: verify(program, more, atol)) / warm) / step
        growth_torch = math.log(median(lambda: forward_and_backward(code, more)) / plain) / step
    return Row(name, program, entries(shapes), verdict, cold, warm, plain, mebibytes, growth, growth_torch, note)


def op_rows(names: list[str], wanted: int, *, growth: bool) -> Iterator[Row | str]:
    """Yield a row for each differentiable op, or why there is none."""
    for op in OPS:
        if op.kind is Kind.CONSTANT or op.name.startswith("_") or (names and op.name not in names):
            continue
        found = sample(op, wanted)
        if found is None:
            yield f"{op.name}: no example of it runs at {wanted:,} entries"
            continue
        program, shapes = found
        more = sample(op, STEP * wanted) if growth else None
        larger = more[1] if more is not None and more[0] == program else None
        yield _measured(op.name, program, shapes, larger)


def _measured(name: str, program: str, shapes: Shapes, larger: Shapes | None) -> Row | str:
    try:
        return row(name, program, shapes, larger)
    except gradcli.GradcliError as error:
        return f"{name}: {program}, {shapes}: {error.message.splitlines()[0]}"


def layer_rows(names: list[str]) -> Iterator[Row | str]:
    """Yield a row for each layer."""
    for name, example in LAYERS.items():
        if not names or name.partition(" ")[0] in names or name in names:
            yield _measured(name, *parse_example(example), None)


def main() -> None:
    """Measure, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ops", default="", help="names, with commas between (default: all)")
    parser.add_argument("--layers", action="store_true", help="layers at the sizes of networks")
    parser.add_argument("--entries", type=int, default=100_000, help="entries of all leaves (default: 100,000)")
    parser.add_argument("--no-growth", action="store_true", help="one size alone")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # the table has ops that PyTorch has deprecated
    names = [name for name in options.ops.split(",") if name]
    verify("x*x", {"x": torch.ones(2, 2)})  # so that the first row does not load anything
    found = layer_rows(names) if options.layers else op_rows(names, options.entries, growth=not options.no_growth)
    rows, others = [], []
    print(HEAD)
    for one in found:
        (rows if isinstance(one, Row) else others).append(one)
        print(one.text() if isinstance(one, Row) else f"- {one}", flush=True)
    summarise(rows)
    if options.json:
        data = {"rows": [asdict(one) | {"ratio": one.ratio} for one in rows], "others": others}
        options.json.write_text(
            json.dumps(data | {"torch": torch.__version__, "threads": 1}, indent=1), encoding="utf-8"
        )


def summarise(rows: list[Row]) -> None:
    """Print the rows that are beyond a bound, worst first, and how many are within."""
    print("\nworst first:\n" + HEAD)
    for one in sorted((one for one in rows if not one.is_within(MOST)), key=lambda one: -one.ratio):
        print(one.text())
        print(f"    {REASONS.get(one.op, 'no reason is known')}")
    for bound in (MOST, MOST_OF_ALL):
        count = sum(one.is_within(bound) for one in rows)
        print(f"{count} of {len(rows)} take at most {bound[0]} s + {bound[1]:g} times one forward and backward")
    faster = [
        one
        for one in rows
        if one.growth is not None and one.growth_torch is not None and one.growth > one.growth_torch + 0.3
    ]
    print(f"{len(faster)} grow faster than PyTorch by more than 0.3")
    for one in faster:
        print(f"    {one.op}: {REASONS.get(one.op, 'no reason is known')}")


if __name__ == "__main__":
    sys.exit(main())
