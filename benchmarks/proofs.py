"""How much is proved: the pointwise ops of the table, the layers and losses around them, and mutants of Functions.

Run as `python benchmarks/proofs.py [--only TEXT] [--functions N]`; it prints a table in Markdown, and what stood in the
way. With `--functions`, every N-th of the Functions of `benchmarks/detection.py` is proved instead, right and wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from gradcli import engine
from gradcli.errors import GradcliError
from gradcli.execution.forward.domains import parse_example
from gradcli.execution.proof.traced import load
from gradcli.ops.record import Kind
from gradcli.ops.table import OPS
from gradcli.settings import Settings

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "execution" / "custom"))

# What the pointwise ops of the table do not have: a program, and the shapes of its leaves.
LAYERS = (
    "F.linear(x, w, b) | x=2x3 w=2x3 b=2",
    "x @ y | x=2x3 y=3x2",
    'einsum("ij,jk->ik", x, y) | x=2x2 y=2x3',
    "softmax(x, dim=-1) | x=2x3",
    "log_softmax(x, dim=-1) | x=2x3",
    "logsumexp(x, dim=-1) | x=2x3",
    "F.layer_norm(x, (3,), w, b) | x=2x3 w=3 b=3",
    "F.group_norm(x, 2, w, b) | x=1x4x2 w=4 b=4",
    "F.batch_norm(x, None, None, w, b, training=True) | x=3x2 w=2 b=2",
    "F.rms_norm(x, (3,), w) | x=2x3 w=3",
    "F.cross_entropy(x, tensor([0, 2])) | x=2x3",
    "F.mse_loss(x, y) | x=2x2 y=2x2",
    "F.huber_loss(x, y) | x=1 y=1",
    "F.smooth_l1_loss(x, y) | x=1 y=1",
    "F.kl_div(x, y) | x=2x2 y=2x2",
    "F.binary_cross_entropy(x, y) | x=2 y=2",
    "F.binary_cross_entropy_with_logits(x, y) | x=2 y=2",
    "F.scaled_dot_product_attention(q, k, v) | q=2x4 k=2x4 v=2x2",
    "F.conv1d(x, w) | x=1x2x4 w=2x2x2",
    "F.conv2d(x, w) | x=1x1x3x3 w=1x1x2x2",
    "mean(x) | x=2x3",
    "var(x) | x=4",
    "std(x) | x=3",
    "cumsum(x, 0) | x=4",
    "F.avg_pool1d(x, 2) | x=1x4",
    "F.avg_pool2d(x, 2) | x=1x2x2",
    "gather(x, 1, tensor([[0], [1]])) | x=2x3",
    "index_select(x, 0, tensor([0, 0])) | x=2x3",
    "prod(x) | x=3",
    "norm(x) | x=3",
    "F.normalize(x) | x=1x3",
    "F.cosine_similarity(x, y, dim=0) | x=2 y=2",
    "amax(x) | x=3",
    "max(x, 0)[0] | x=5",
    "view_as_real(torch.fft.fft(x)) | x=5",
    "torch.linalg.solve(x, y) | x=4x4 y=4",
    "F.max_pool1d(x, 2) | x=1x4",
)


def main() -> None:
    """Print what became of each program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--timeout", type=float, default=20.0)
    parser.add_argument("--functions", type=int, default=0)
    options = parser.parse_args()
    engine.import_torch()
    load()
    if options.functions:
        _prove_functions(options.only, options.functions, options.timeout)
    tables = () if options.functions else (("pointwise ops", pointwise()), ("layers, losses, reductions", iter(LAYERS)))
    for title, programs in tables:
        _show(title, [text for text in programs if options.only in text], options.timeout)
    engine.stop_worker()


def _prove_functions(only: str, stride: int, timeout: float) -> None:
    """Print what became of right Functions and of their mutants: of each kind, how many came to each verdict."""
    counts: dict[str, Counter[str]] = {"right": Counter(), "wrong": Counter()}
    for name, function, shapes, is_right in islice(_functions(only), 0, None, stride):
        kind = "right" if is_right else "wrong"
        verdict, why = _outcome(function, shapes, timeout)
        counts[kind]["equal" if verdict.startswith("equal") else verdict] += 1
        if verdict not in ({"proved", "proved except"} if is_right else {"refuted"}):
            print(f"{kind} {name}: {verdict} {why}", flush=True)
    for kind, found in counts.items():
        print(f"{kind}: {sum(found.values())}, {dict(found)}", flush=True)


def _functions(only: str) -> Iterator[tuple[str, Any, dict[str, tuple[int, ...]], bool]]:
    from functions import SPECS
    from planted import build, cases

    for spec in SPECS:
        if only in spec.name:
            yield spec.name, build(spec), dict(spec.shapes), True
            for kind, function in cases(spec):
                yield f"{spec.name}, {kind}", function, dict(spec.shapes), False


def _outcome(function: Any, shapes: dict[str, tuple[int, ...]], timeout: float) -> tuple[str, str]:
    try:
        report = engine.prove_code(function, Settings(command="prove", shapes={**shapes}, timeout=timeout))
    except GradcliError as error:
        return "error", error.message
    return report.verdict, next((gradient.reason for gradient in report.gradients if gradient.reason), "")[:160]


def pointwise() -> Iterator[str]:
    """Yield an example of each pointwise op with a gradient, on scalars."""
    for op in OPS:
        if op.kind is Kind.POINTWISE and op.examples and not op.name.startswith("_"):
            program, shapes = parse_example(op.examples[0])
            yield f"{program} | {' '.join(f'{name}=scalar' for name in shapes)}"


def _show(title: str, programs: list[str], timeout: float) -> None:
    counts: Counter[str] = Counter()
    print(f"\n## {title}\n\n| program | verdict | seconds | |\n|---|---|---|---|")
    for text in programs:
        started = time.perf_counter()
        verdict, why = _proved(text, timeout)
        counts["equal" if verdict.startswith("equal") else verdict] += 1
        print(f"| `{text.replace('|', ',')}` | {verdict} | {time.perf_counter() - started:.2f} | {why} |", flush=True)
    good = counts["proved"] + counts["proved except"]
    print(f"\n{good} of {sum(counts.values())} proved or proved except: {dict(counts)}")


def _proved(text: str, timeout: float) -> tuple[str, str]:
    program, shapes = parse_example(text)
    settings = Settings(command="prove", shapes=dict(shapes), timeout=timeout)
    try:
        report = engine.prove_program(program, settings)
    except GradcliError as error:
        return "error", error.message
    parts = [f"except {e.region}" for g in report.gradients for e in g.exceptions]
    parts += [g.reason for g in report.gradients if g.reason]
    parts += [
        f"at {g.witness.leaves}: {g.witness.gradient} and {g.witness.derivative}" for g in report.gradients if g.witness
    ]
    return report.verdict, "; ".join(dict.fromkeys(parts))[:200].replace("|", "\\|")


if __name__ == "__main__":
    main()
