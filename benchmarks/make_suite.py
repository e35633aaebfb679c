"""Write benchmarks/suite.toml: 1,000 checks over the op table, made from the examples of its records.

python benchmarks/make_suite.py > benchmarks/suite.toml

Each example is tried with other lengths of its axes, from 4 to 16, equal lengths staying equal. It is kept where
PyTorch runs it, gradcli's verdict is `match`, and `torch.autograd.gradcheck` has nothing against it either, so that
both can be timed on the same programs. Examples of PyTorch's wrong gradients thus stay out, and so do those that give
other digits when they are run again: the suite's report is the same wherever it runs.
"""

from __future__ import annotations

import json
import random
import sys
import warnings
from collections.abc import Iterator

from sides import gradcheck, point

import gradcli
from gradcli.execution.forward.domains import parse_example
from gradcli.execution.process import use_one_thread
from gradcli.ops.record import Op
from gradcli.ops.table import OPS
from gradcli.settings import Settings

CHECKS = 1000
SIDES = range(4, 17)
MOST_ENTRIES = 600  # of all leaves, and of the output: gradcheck's Jacobian has as many times as many
REPEATS = 5  # lstsq's default driver gives other digits on other runs: PyTorch leaves LAPACK's pivots unset
ROUNDS = 12  # how often every example is tried with other lengths

Shapes = dict[str, tuple[int, ...]]


def main() -> None:
    """Print the suite."""
    warnings.simplefilter("ignore")
    use_one_thread()
    found: dict[str, tuple[str, Shapes]] = {}
    generator = random.Random(0)  # noqa: S311  # the same suite every time
    for _ in range(ROUNDS):
        for op, example in examples():
            source, shapes = stretched(*parse_example(example), generator)
            name = f"{op.name}: {source} at {json.dumps(shapes, sort_keys=True)}"
            if len(found) < CHECKS and name not in found and agrees(source, shapes):
                found[name] = (source, shapes)
                print(len(found), name, file=sys.stderr)
    print(text(found), end="")


def examples() -> Iterator[tuple[Op, str]]:
    """Yield the examples of every record and of its overloads."""
    for op in OPS:
        for record in (op, *op.overloads):
            yield from ((op, example) for example in record.examples)


def stretched(source: str, shapes: Shapes, generator: random.Random) -> tuple[str, Shapes]:
    """Return an example with every length of its axes but 1 changed, equal ones alike."""
    lengths = sorted({length for shape in shapes.values() for length in shape if length > 1})
    new = dict(zip(lengths, generator.sample(SIDES, len(lengths)), strict=True))
    return source, {name: tuple(new.get(length, length) for length in shape) for name, shape in shapes.items()}


def agrees(source: str, shapes: Shapes) -> bool:
    """Return whether an example fits these shapes, and both gradcli and gradcheck pass it."""
    try:
        leaves = point(source, Settings(command="check", shapes=dict(shapes)))
        if sum(leaf.numel() for leaf in leaves.values()) > MOST_ENTRIES:
            return False
        reports = [gradcli.check(source, leaves, grad_output="ones", witnesses=("symbolic",)) for _ in range(REPEATS)]
        if any(report.to_dict() != reports[0].to_dict() for report in reports):
            return False
        size = reports[0].output.value.numel()
        return reports[0].verdict == "match" and size <= MOST_ENTRIES and gradcheck(source, leaves)
    except (gradcli.GradcliError, AssertionError, AttributeError, RuntimeError, TypeError, ValueError):
        return False


def text(found: dict[str, tuple[str, Shapes]]) -> str:
    """Return the suite as TOML."""
    lines = [
        "# Written by benchmarks/make_suite.py.",
        "",
        "[defaults]",
        'grad-output = "ones"',
        'witness = ["symbolic"]',
    ]
    for name, (source, shapes) in found.items():
        sizes = ", ".join(f'{leaf} = "{"x".join(map(str, shape)) or "scalar"}"' for leaf, shape in shapes.items())
        lines += [
            "",
            "[[check]]",
            f"name = {json.dumps(name)}",
            f"program = {json.dumps(source)}",
            f"shape = {{{sizes}}}",
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
