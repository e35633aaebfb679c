"""Random command lines: generated programs, as they stand or as in a notebook, kinks, examples, and nonsense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from random import Random

import kink_grammar
import programs
import texts

from gradcli.execution.forward.domains import parse_example
from gradcli.ops.table import OPS

# What bounds a run from outside of it, so that none takes ten seconds.
BOUNDS = ("--timeout", "8", "--max-derivation-time", "4")
CHECKED = ("eval", "check")
COMMANDS = ("eval", "check", "grad", "trace", "graph", "jvp", "jacobian", "hessian", "double-backward", "accumulate")
FORMATS = (
    "table",
    "plain",
    "json",
    "jsonl",
    "markdown",
    "concise",
    "github",
    "junit",
    "gitlab",
    "sarif",
    "rdjson",
    "azure",
)
# What a command needs beside a program.
NEEDED = dict.fromkeys(("eval", "trace", "graph", "double-backward", "accumulate"), ("--grad-output", "ones")) | {
    "grad": ("--wrt", "x", "--allow-unused", "--grad-output", "ones"),
    "jvp": ("--tangent", "x=1"),
    "hessian": ("--reduce", "mean"),
}
FITTING = (
    *(("--dtype", dtype) for dtype in ("float64", "float32", "float16", "bfloat16", "complex64", "complex128")),
    *(("--init", init) for init in ("primes", "randn", "uniform", "arange", "ones")),
    *(("--reduce", reduction) for reduction in ("none", "sum", "mean", "prod", "norm")),
    *(("--value", value) for value in ("x=0", "x=1e-300", "x=-1e300", "x=0.5")),
    ("--seed", "1"), ("--constant", "y"), ("--rtol", "1e-3"), ("--no-verify",), ("--leaves",), ("--retain-grad", "all"),
)  # fmt: skip
HOSTILE = (
    *(("--grad-output", vector) for vector in ("[1,2]", "[]", "1e400", "x")),
    *(("--seed", seed) for seed in ("-1", "99999999999999999999", "1.5")),
    *(("--shape", shape) for shape in ("2x2", "0", "x=scalar", "x=1x0x2", "9999999x9999999", "-1", "q=2")),
    *(("--value", value) for value in ("x=[1,[2]]", "x=[]", "x=1e999", "x=2j", "x=true", "x", "q=1", "x=nan")),
    *(("--constant", name) for name in ("x", "q", "")),
    *(("--rtol", number) for number in ("0", "-1", "nan", "inf")),
    *(("--max-operations", number) for number in ("1", "0", "-5")),
    *(("--max-memory", size) for size in ("1KiB", "0", "9999999999999999TiB", "2XB")),
    ("--wrt", "x,q"), ("--points", "2"), ("--claim", "x=2*x"), ("--tangent", "x=[1]"), ("--times", "2"), ("--hooks",),
    ("--create-graph",), ("--dtype", "int8"), ("--device", "meta"), ("--nothing",), ("-",), ("--detach", "x"),
)  # fmt: skip


@dataclass(frozen=True)
class Command:
    """A command line."""

    name: str
    program: str
    options: tuple[str, ...]

    @property
    def arguments(self) -> list[str]:
        """Return what the shell would pass; the program is no option and no file."""
        return [self.name, *self.options, *BOUNDS, "--", self.program]


@cache
def choices() -> list[programs.Template]:
    """Return all that programs are generated of."""
    return programs.templates(lambda *_: True)


@cache
def given() -> list[str]:
    """Return the seeds of texts."""
    return texts.seeds()


@cache
def examples() -> list[str]:
    """Return those of the op table."""
    return [example for op in OPS for record in (op, *op.overloads) for example in record.examples]


def generated(random: Random) -> programs.Generated | None:
    """Return a program that PyTorch runs, with a point."""
    return programs.compose(random, choices(), random.randrange(2**31))


def working(random: Random) -> Command | None:
    """Return a command that PyTorch carries out, on a generated program at a random point; None if it refused that."""
    made = generated(random)
    if made is None:
        return None
    options = _shapes({leaf: tuple(value.shape) for leaf, value in made.leaves.items()})
    filled = ("--init", random.choice(("randn", "uniform")))
    options = (*options, *filled, "--grad-output", "random", "--format", "json")
    return Command(random.choice(CHECKED), dressed(random, made.text), options)


def any_command(random: Random) -> Command:
    """Return a command that may be wrong: an example or a text that is no program, and options that may not fit."""
    name = random.choice(COMMANDS)
    program, options = _nonsense(random) if random.randrange(4) == 0 else _example(random)
    options += NEEDED.get(name, ()) if random.randrange(8) else ()
    for _ in range(random.choice((0, 1, 1, 2))):
        options += random.choice(HOSTILE if random.randrange(4) == 0 else FITTING)
    program = program.replace("\0", "")  # no command line holds one
    return Command(name, program or " ", (*options, "--format", random.choice(FORMATS)))


def _nonsense(random: Random) -> tuple[str, tuple[str, ...]]:
    return texts.text(random, given()), ()


def _example(random: Random) -> tuple[str, tuple[str, ...]]:
    """Return an example of the op table or a kink's program, one in four of them changed in one place."""
    if random.randrange(4):
        program, shapes = parse_example(random.choice(examples()))
        options = _shapes(shapes)
    else:
        drawn = kink_grammar.draw(random)
        program, values = drawn.source, (f"{leaf}={_written(value)}" for leaf, value in drawn.point.items())
        options = tuple(word for value in values for word in ("--value", value))
    if random.randrange(4) == 0:
        program = random.choice(texts.CHANGES)(random, program, given())
    return program, options


def dressed(random: Random, text: str) -> str:
    """Return a program as it may stand in a notebook or a tutorial, which is still the same program."""
    lines = text.split("\n")
    match random.randrange(6):
        case 0:
            return "\n".join(f">>> {line}" for line in ["import torch", *lines])
        case 1:
            return "\n".join(f"In [{number}]: {line}\n" for number, line in enumerate(lines, 1))
        case 2:
            head = ["%matplotlib inline", "!pip install torch", "import torch, math", "from torch import nn", ""]
            return "\n".join([*head, *(f"{line}  # a comment" for line in lines)])
        case 3:
            return "\r\n".join([*(f"    {line}" for line in ["import torch.nn.functional as F", "", *lines]), "  "])
        case 4:
            *before, last = lines
            return "\n".join([*before, f"out = {last}", "print(out)", "print(f'{out.sum().item():.3f}')", "out"])
        case _:
            return text


def _shapes(shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    written = (f"{leaf}={'x'.join(map(str, shape)) or 'scalar'}" for leaf, shape in shapes.items())
    return tuple(word for shape in written for word in ("--shape", shape))


def _written(value: float | list[float]) -> str:
    return str(value).replace(" ", "")
