"""Whether what `gradcli derive` prints is right: LaTeX, Typst and SymPy's code, read back and compared with autograd.

python benchmarks/notations.py              the examples of every differentiable op: a quarter of an hour
python benchmarks/notations.py --every 8    every eighth op
python benchmarks/notations.py --programs   programs of several ops instead

The readers are the tests': they know what LaTeX, Typst and SymPy mean, and nothing of the writers. `wrong` is a print
with another value, `unread` one that a reader does not know.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

import gradcli
from gradcli.derivation.notation.typst import typst
from gradcli.engine import derive_program
from gradcli.escaping import latex_name
from gradcli.execution.forward.domains import leaves_for, parse_example
from gradcli.language.parser import parse
from gradcli.ops.record import Kind
from gradcli.ops.table import OPS, find
from gradcli.render.derivation import text as printed_text
from gradcli.render.style import Style
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from index_values import entries
from latex_values import UnreadError
from sympy_values import sympy_entries
from typst_values import latex_of

SEED = 3
CLOSE = {"rtol": 1e-6, "atol": 1e-8}
PROGRAMS = """
softmax(X @ W, dim=-1) | X=4x3 W=3x2
F.layer_norm(X, (3,)) | X=4x3
cumsum(x, dim=0)*y | x=4 y=4
cumsum(exp(x), dim=0)/cumsum(y*y, dim=0) | x=4 y=4
(x*y).cumsum(0).cumsum(0) | x=3 y=3
x[1:]*y + flip(y, (0,)) | x=4 y=3
X[:, 1:] - X[:, :-1] | X=3x4
exp(X[1:] - X[:-1])*Y | X=4x3 Y=3x3
sum((x[1:] - x[:-1])**2) | x=5
tril(X) @ y | X=3x3 y=3
triu(X*Y, 1) | X=3x3 Y=3x3
roll(x, 1, 0)*y | x=4 y=4
diag(x) @ X | x=3 X=3x3
diagonal(X)*y | X=3x3 y=3
einsum('ijk,jl->ikl', X, Y) | X=2x3x2 Y=3x2
einsum('bij,bjk->bik', X, Y)*Z | X=2x3x2 Y=2x2x3 Z=2x3x3
logsumexp(X, dim=1) @ y | X=4x3 y=4
relu(X @ W + b) @ V | X=4x3 W=3x2 b=2 V=2x2
where(X > y, X*y, y) | X=3x2 y=2
abs(x - y[0])**3 | x=3 y=2
x/norm(x) | x=3
X/norm(X, dim=1, keepdim=True) | X=4x3
stack([x*2, exp(y)])*Z | x=3 y=3 Z=2x3
outer(x, y) @ outer(y, x) | x=2 y=3
x @ A @ x/(x @ x) | x=3 A=3x3
inv(A) @ B | A=2x2 B=2x3
tanh(x[:, None] - y[None, :]) @ y | x=2 y=3
sigmoid(x)**2/y | x=3 y=3
F.conv1d(x, w) | x=1x2x5 w=3x2x2
F.scaled_dot_product_attention(q, k, v) | q=2x3 k=4x3 v=4x2
sum(x*y, dim=0)/(1 + sum(x**2)) | x=3 y=3
x**y | x=3 y=3
maximum(x, y)*z | x=3 y=3 z=3
X.reshape(2, 6) @ y | X=4x3 y=6
kron(A, B) | A=2x2 B=2x3
prod(X, dim=1)*y | X=4x3 y=4
mean(X, dim=0)/std(X, dim=0) | X=4x3
-x*(-y)**3 - (x - y) | x=2 y=2
(x - (y - x))/(x/y) | x=2 y=2
x - sum(y[1:]*x[:-1]) | x=3 y=3
"""


def values(program: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Return leaves in the domain of a program."""
    torch.manual_seed(SEED)
    return leaves_for(parse(program), shapes, find)


def outcomes(program: str, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, str, str, str]]:
    """Yield the notation, the leaf, what came of it, and what was printed."""
    settings = Settings(command="derive", to="sympy", shapes=dict(shapes), timeout=120)
    try:
        found = derive_program(program, settings)
    except gradcli.GradcliError:
        return
    leaves = values(program, shapes)
    upstream = torch.randn(found.output.shape, dtype=torch.float64) if found.upstream else None
    report = gradcli.evaluate(program, leaves, **({} if upstream is None else {"grad_output": upstream}))
    known = leaves | ({found.upstream: upstream} if found.upstream and upstream is not None else {})
    named = {latex_name(name): value for name, value in known.items()}
    for one in found.derivatives:
        if one.checked.verdict is not Verdict.MATCH or one.latex is None:
            continue
        reference = report[one.wrt].gradient
        if reference is None or not bool(reference.isfinite().all()):
            continue
        tried = {
            "latex": lambda: entries(one.latex, named, one.shape),  # noqa: B023
            "typst": lambda: entries(latex_of(typst(one.latex)), named, one.shape),  # noqa: B023
        }
        for to, read in tried.items():
            yield to, one.wrt, *_came_of(read, reference, one.latex if to == "latex" else typst(one.latex))
    printed = [one for one in found.derivatives if one.sympy is not None]
    if printed and len(printed) == len(found.derivatives):
        text = printed_text(found, Style())
        try:
            several = sympy_entries(text, known, [one.shape for one in printed])
        except Exception as error:  # noqa: BLE001 (what is printed may be anything)
            yield "sympy", "", "unread", f"{type(error).__name__} {error}: {text}"
            return
        for one, value in zip(printed, several, strict=True):
            yield "sympy", one.wrt, *_came_of(lambda value=value: value, report[one.wrt].gradient, one.sympy)


def _came_of(read: Callable[[], Tensor], reference: Tensor, text: str | None) -> tuple[str, str]:
    try:
        value = read()
    except UnreadError as error:
        return "unread", f"{error}: {text}"
    except Exception as error:  # noqa: BLE001 (what is printed may be anything)
        return "unread", f"{type(error).__name__} {error}: {text}"
    return ("right" if torch.allclose(value, reference, **CLOSE) else "wrong"), str(text)  # type: ignore[arg-type]


def cases(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, tuple[int, ...]]]]:
    """Yield programs with the shapes of their leaves."""
    if options.programs:
        for line in PROGRAMS.strip().splitlines():
            yield parse_example(line)
        return
    ops = [op for op in OPS if op.kind is not Kind.CONSTANT and op.examples and not op.name.startswith("_")]
    for op in ops[options.start :: options.every]:
        for example in op.examples:
            yield parse_example(example)


def main() -> None:
    """Read back, and print what is wrong or unread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="every so many ops alone (default: 1)")
    parser.add_argument("--start", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument("--programs", action="store_true", help="programs of several ops instead")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # the table has ops that PyTorch has deprecated
    counts: Counter[tuple[str, str]] = Counter()
    started = time.process_time()
    for program, shapes in cases(options):
        try:
            for to, wrt, came, text in outcomes(program, shapes):
                counts[to, came] += 1
                if came != "right":
                    print(f"{came:<7} {to:<6} {program} by {wrt}: {text}", flush=True)
        except gradcli.GradcliError as error:
            print(f"error   {program}: {error.message}")
    print(f"{time.process_time() - started:.0f} s; ", end="")
    print(", ".join(f"{to} {count} {came}" for (to, came), count in sorted(counts.items())))


if __name__ == "__main__":
    main()
