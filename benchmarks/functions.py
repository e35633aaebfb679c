"""How many ops of the table `gradcli derive --to function` writes a Function for, and how fast those of chains are.

python benchmarks/functions.py                    the first example of every differentiable op: some minutes
python benchmarks/functions.py --all              all of their examples
python benchmarks/functions.py --every 4          every fourth op
python benchmarks/functions.py --ops cumprod,fft  some of them
python benchmarks/functions.py --limit 300        more seconds for each derivation than 30: on a loaded machine
python benchmarks/functions.py --chains           elementwise chains of five ops instead, beside autograd's backward
python benchmarks/functions.py --draw 40          so many chains of five ops of the table, drawn at random

A Function passes if, at values of another seed, gradcheck and gradgradcheck accept it and `gradcli custom` calls it a
match; it is undecided if `custom` has no symbolic derivative of its own. Any other is wrong: none may be. An op without
a Function has the reason. Of a chain the table has the processor time of backward, that of forward and backward, of one
thread and of tensors of two sizes, and the bytes that are saved for it, each in those of autograd's own. A time is the
median of pairs that are measured one after the other. Chains are checked as ops are.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import random
import re
import statistics
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.autograd.graph import saved_tensors_hooks

import gradcli
from gradcli.engine import derive_program
from gradcli.execution.forward.callables import function
from gradcli.execution.forward.domains import leaves_for, parse_example
from gradcli.language.parser import parse
from gradcli.ops.record import Kind
from gradcli.ops.table import OPS, find
from gradcli.settings import Settings

Shapes = Mapping[str, tuple[int, ...]]
SEED = 7
# Seconds for one derivation; more where the machine does other work too.
LIMIT = 30.0
# Five ops each, of tensors of one shape.
CHAINS = (
    "tanh(exp(-sin(x)*2))",
    "log(1 + sigmoid(x)**2)*x",
    "sqrt(exp(x) + 1)/x",
    "sigmoid(tanh(x*y) + x)*y",
    "exp(-(x - y)**2)*x",
    "cos(sin(x*y) + x)/y",
    "x*sigmoid(x*2)*tanh(x)",
    "atan(x*y)*exp(-x)",
    "(x*y + 1)**3/exp(x)",
    "log(exp(x) + exp(y))*x",
    "softplus(x*y)*tanh(x)",
    "erf(x*2)*cos(x) + x",
    "gelu(x*y + x)*sigmoid(y)",
    "silu(x*2 + y)/sqrt(y)",
    "softplus(gelu(x)*y) - x",
    "sqrt(x**2 + y**2)*sin(x)",
    "log(x*y)*silu(x) + y",
    "sin(x*3)*exp(-y)/x",
    "tanh(x/y)**2*sqrt(x)",
    "x**1.5*log(y) + x/y",
)
# What drawn chains are made of.
ALONE = (
    *("reciprocal", "square", "sqrt", "rsqrt", "abs", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin"),
    *("cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sinc", "erf", "erfc"),
    *("lgamma", "logit", "ndtr", "log_ndtr", "sigmoid", "logsigmoid", "relu", "leaky_relu", "elu", "selu", "celu"),
    *(
        "silu",
        "mish",
        "softplus",
        "softsign",
        "tanhshrink",
        "gelu",
        "hardtanh",
        "hardsigmoid",
        "hardswish",
        "softshrink",
    ),
)
PAIRED = (
    "({} + {})",
    "({} - {})",
    "({} * {})",
    "({} / {})",
    "{}**{}",
    "hypot({}, {})",
    "atan2({}, {})",
    "logaddexp({}, {})",
)
PAIRED += ("maximum({}, {})",)
CALLS, BINARY, LARGEST = 5, 0.4, 1e3
SIZES = (10_000, 1_000_000)
# Pairs of measurements, and the entries that one is of at least.
PAIRS, ENTRIES = 31, 300_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one example."""

    op: str
    example: str
    kind: str
    """passes, refused, undecided, wrong or error."""
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain: the Function's backward, in autograd's."""

    program: str
    times: tuple[float, ...]
    """One for each of the sizes."""
    both: tuple[float, ...]
    """Of forward and backward together."""
    memory: float
    problem: str
    """Which of the checks it does not pass; empty for none."""


def values(program: str, shapes: Shapes, seed: int) -> dict[str, Tensor]:
    """Return values inside the domain of the op."""
    torch.manual_seed(seed)
    return leaves_for(parse(program), shapes, find)


def loaded(code: str) -> Any:
    """Return the Function that a source defines."""
    space: dict[str, Any] = {"__name__": "derived"}
    exec(code, space)  # noqa: S102 (what gradcli wrote)
    return next(one for one in space.values() if isinstance(one, type) and issubclass(one, torch.autograd.Function))


def constants_of(function: Any) -> list[str]:
    """Return the arguments of a Function that its docstring calls constants: the program detaches them."""
    found = re.search(r"Constants, without a gradient: (.*)\.", function.__doc__ or "")
    return found[1].split(", ") if found else []


def outcome(op: str, example: str, folder: Path, limit: float = LIMIT) -> Outcome:
    """Return what comes of one example."""
    started = time.process_time()
    try:
        kind, reason = _tried(*parse_example(example), folder, limit)
    except gradcli.GradcliError as error:
        kind, reason = "error", error.message.splitlines()[0]
    except Exception as error:  # noqa: BLE001 (what a wrong Function raises)
        kind, reason = "wrong", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return Outcome(op, example, kind, reason, time.process_time() - started)


def _tried(program: str, shapes: Shapes, folder: Path, limit: float) -> tuple[str, str]:
    settings = Settings(command="derive", to="function", shapes=dict(shapes), timeout=limit)
    found = derive_program(program, settings)
    if found.refused is not None:
        return "refused", found.refused
    code = found.codes["function"]
    problem = _problem(code, values(program, shapes, SEED), folder)
    kind = "undecided" if problem.endswith("undecided") else "wrong"
    return (kind, problem) if problem else ("passes", "")


def _problem(code: str, inputs: Mapping[str, Tensor], folder: Path) -> str:
    """Return which of the checks a Function does not pass; empty for none."""
    function, apply = loaded(code), called(code)
    constants = constants_of(function)
    leaves = [
        one.clone().requires_grad_(one.is_floating_point() and name not in constants) for name, one in inputs.items()
    ]
    if not gradcheck(apply, leaves, check_forward_ad="def jvp" in code, raise_exception=False):
        return "gradcheck"
    if not gradgradcheck(apply, leaves, raise_exception=False):
        return "gradgradcheck"
    file = folder / "derived.py"
    file.write_text(code, encoding="utf-8")
    report = gradcli.check_function(f"{file}:{function.__name__}", inputs, constants=constants)
    return "" if str(report.verdict) == "match" else f"gradcli custom: {report.verdict}"


def outcomes(names: list[str], folder: Path, *, every: bool, step: int, limit: float) -> Iterator[Outcome]:
    """Yield what comes of the differentiable ops."""
    ops = [op for op in OPS if op.kind is not Kind.CONSTANT and op.examples and not op.name.startswith("_")]
    for op in ops[step // 2 :: step]:
        if names and op.name not in names:
            continue
        for example in op.examples if every else op.examples[:1]:
            yield outcome(op.name, example, folder, limit)


def keep_memory() -> None:
    """Have the C library keep what is freed: page faults differ from run to run, and may cost more than the ops."""
    library = ctypes.CDLL(None)
    for option in (-3, -1):  # from what size on memory is mapped, and given back
        if hasattr(library, "mallopt"):
            library.mallopt(option, 2**30)


def ratio(work: Callable[[], Any], other: Callable[[], Any], entries: int) -> float:
    """Return the processor time of one call in that of another: the median of pairs, one after the other."""
    times = max(1, ENTRIES // entries)

    def seconds_of(one: Callable[[], Any]) -> float:
        started = time.process_time()
        for _ in range(times):
            one()
        return time.process_time() - started

    seconds_of(work), seconds_of(other)
    return statistics.median(seconds_of(work) / seconds_of(other) for _ in range(PAIRS))


def bytes_saved(forward: Callable[[], Tensor]) -> int:
    """Return how many bytes a forward run saves for backward, each storage once; the leaves' own are counted too."""
    storages: dict[int, int] = {}

    def packed(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(packed, lambda tensor: tensor):
        output = forward()
    del output
    return sum(storages.values())


def callables() -> dict[str, Any]:
    """Return what a chain may call, by the last part of its name."""
    ops = [op for op in OPS if op.kind is Kind.POINTWISE and op.torch.startswith("torch.")]
    return {op.name.rpartition(".")[2]: function(op.torch) for op in reversed(ops)}


def drawn(count: int) -> Iterator[str]:
    """Yield chains of five ops whose outputs and gradients are finite, at entries between 0.5 and 1.5."""
    draw, space = random.Random(SEED), callables()  # noqa: S311 (no secret)
    for _ in range(count):
        yield next(program for program in iter(partial(_drawn, draw), "") if _is_finite(program, space))


def _drawn(draw: random.Random) -> str:
    """Return five calls, of x, y and of what comes before them: each result is used."""
    values = ["x", "y"]
    for _ in range(CALLS):
        if len(values) > 1 and draw.random() < BINARY:
            one, other = draw.sample(values, 2)
            text = draw.choice(PAIRED).format(one, other)
            values = [value for value in values if value not in (one, other)]
        else:
            one = draw.choice(values)
            text = f"{draw.choice(ALONE)}({one})"
            values.remove(one)
        values.append(text)
        values += [draw.choice("xy")] if len(values) == 1 else []
    return max(values, key=len)


def _is_finite(program: str, space: Mapping[str, Any]) -> bool:
    if sum(map(program.count, (*"(", *"xy"))) < CALLS:
        return False
    leaves = {name: torch.linspace(0.5, 1.5, 99, dtype=torch.float64).requires_grad_() for name in names_in(program)}
    output = eval(program, {**space, **leaves})  # noqa: S307 (what is drawn)
    gradients = torch.autograd.grad(output.sum(), [*leaves.values()], materialize_grads=True)
    return all(bool((one.isfinite() & (one.abs() < LARGEST)).all()) for one in (output, *gradients))


def names_in(program: str) -> list[str]:
    """Return the leaves of a chain."""
    return sorted({*re.findall(r"\b[xy]\b", program)})


def chain(program: str) -> Chain:
    """Return the measurements of one chain."""
    names = names_in(program)
    source = gradcli.derive(program, dict.fromkeys(names, (6,))).function()
    apply = called(source)
    with tempfile.TemporaryDirectory() as folder:
        problem = _problem(source, {name: torch.rand(6, dtype=torch.float64) + 0.5 for name in names}, Path(folder))
    space = callables()
    code = compile(program, "chain", "eval")
    times, both, memory = [], [], []
    for entries in SIZES:
        torch.manual_seed(SEED)
        leaves = [torch.rand(entries, dtype=torch.float64).add_(0.5).requires_grad_() for _ in names]
        given = space | dict(zip(names, leaves, strict=True))
        upstream = torch.ones(entries, dtype=torch.float64)
        forwards = [lambda: apply(*leaves), lambda: eval(code, dict(given))]  # noqa: B023, S307 (of this file)
        outputs = [forward() for forward in forwards]
        backwards = [partial(torch.autograd.grad, one, leaves, upstream, retain_graph=True) for one in outputs]
        whole = [lambda run=run: torch.autograd.grad(run(), leaves, upstream) for run in forwards]  # noqa: B023
        times.append(ratio(*backwards, entries))
        both.append(ratio(*whole, entries))
        memory = [bytes_saved(forward) for forward in forwards]
    return Chain(program, tuple(times), tuple(both), memory[0] / memory[1], problem)


def called(code: str) -> Callable[..., Tensor]:
    """Return what a source gives to call: the function that returns the output alone, or the Function's `apply`."""
    space: dict[str, Any] = {"__name__": "derived"}
    exec(code, space)  # noqa: S102 (what gradcli wrote)
    own = [one for one in space.values() if getattr(one, "__module__", "") == "derived"]
    functions = [one for one in own if not isinstance(one, type) and not one.__name__.startswith("_")]
    return functions[0] if functions else next(one for one in own if isinstance(one, type)).apply


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ops", default="", help="names, with commas between (default: all)")
    parser.add_argument("--all", action="store_true", help="all examples of each op")
    parser.add_argument("--every", type=int, default=1, help="every so many ops alone (default: 1)")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"seconds for one derivation (default: {LIMIT:.0f})")
    parser.add_argument("--chains", action="store_true", help="elementwise chains of five ops instead")
    parser.add_argument("--draw", type=int, default=0, help="so many chains, drawn at random, instead")
    parser.add_argument("--json", type=Path, help="write the outcomes here too, as they come")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # the table has ops that PyTorch has deprecated
    if options.chains or options.draw:
        _show_chains([*drawn(options.draw)] if options.draw else CHAINS)
        return
    names = [name for name in options.ops.split(",") if name]
    found: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        for one in outcomes(names, Path(folder), every=options.all, step=options.every, limit=options.limit):
            found.append(one)
            print(f"{one.kind:<11}{one.op:<32}{one.seconds:6.1f} s  {one.example}  {one.reason}", flush=True)
            if options.json:
                options.json.write_text(json.dumps([asdict(each) for each in found], indent=1), encoding="utf-8")
    counts = Counter(one.kind for one in found)
    print(f"{len(found)} examples: {', '.join(f'{count} {kind}' for kind, count in counts.most_common())}")


def _show_chains(programs: Sequence[str]) -> None:
    keep_memory()
    heads = [f"{kind} {size:.0e}".replace("+0", "") for kind in ("time", "both") for size in SIZES]
    print("".join(f"{head:>10}" for head in heads), "   memory  chain, in autograd's backward")
    found = []
    for program in programs:
        one = chain(program)
        found.append(one)
        print(
            "".join(f"{number:10.2f}" for number in (*one.times, *one.both, one.memory)), f" {one.program}", flush=True
        )
    for place, size in enumerate(SIZES):
        slower = sum(one.times[place] > 1 for one in found)
        print(f"{len(found)} chains of {size} entries: {slower} slower than autograd")
    print(f"{sum(one.memory > 1 for one in found)} save more, {sum(bool(one.problem) for one in found)} fail a check")


if __name__ == "__main__":
    sys.exit(main())
