"""Verdicts at kinks, ties, zeros and extreme magnitudes, beside one-sided difference quotients in 100 digits and more.

`python benchmarks/kinks.py [--programs N] [--seed S] [--command check|eval]` draws N random programs, and compares
gradcli's verdict on every tensor with what its own quotients say (`one_sided`). It prints how many agree, how many are
undecided by either, and every one that is wrong, with the command that repeats it.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from kink_grammar import Drawn, Node, draw
from mpmath import mp, mpf
from one_sided import (
    LARGEST,
    NARROW,
    Function,
    Shape,
    Truth,
    between,
    branches,
    generalised,
    leaves_doubles,
    look,
    rounding_decides,
    rounding_spoils,
    stays_undefined,
)
from terms import largest_term

import gradcli
from gradcli.errors import GradcliError
from gradcli.report.report import TensorReport
from gradcli.report.verdict import Verdict

# A gradient is right within the first of these, relative to each entry, and the second, relative to the largest;
# beyond the third, relative to that, it is wrong.
RIGHT, ABSOLUTE, WRONG = mpf("1e-9"), mpf("1e-13"), mpf("1e-6")
# Nor is anything decided within what cancellation may leave of the largest gradient, or below the smallest double.
CANCELLED, UNDERFLOW = mpf("1e-10"), mpf("1e-300")


@dataclass(frozen=True, slots=True)
class Found:
    """What a verdict comes to: agreed, undecided, not decided by quotients, or wrong."""

    outcome: str
    words: str = ""


NOT_DECIDED = "not decided by quotients"


def judge(drawn: Drawn, node: Node, report: TensorReport, *, largest: float, overflows: bool) -> Found:
    """Return whether the verdict on one tensor is the one that its quotients ask for.

    `largest` is the largest entry of any gradient of the program. What `overflows` in double precision may be undefined
    though it is not in more digits.
    """
    assert report.verdict is not None  # noqa: S101 (the caller looked)
    gradient = [float(entry) for entry in report.gradient.reshape(-1)]
    function = Function.of(drawn, node)
    truth = look(function)
    wanted = _wanted(function, truth, gradient, largest)
    if report.verdict is Verdict.UNDECIDED:
        return Found("undecided", f"{truth.shape}: {report.note}")
    if not wanted:
        return Found(NOT_DECIDED)
    wanted |= {Verdict.UNDEFINED} if overflows else set()
    if report.verdict in wanted:
        return Found("agreed", str(truth.shape))
    expected = " or ".join(str(verdict) for verdict in sorted(wanted))
    return Found("WRONG", f"{report.verdict} must be {expected} ({truth.shape}): {report.note}")


def _wanted(function: Function, truth: Truth, gradient: list[float], largest: float) -> set[Verdict]:
    """Return the verdicts that are right; none where that is not decided."""
    if any(map(mp.isnan, gradient)):
        return {Verdict.UNDEFINED}
    if truth.shape in {Shape.NOT_A_NUMBER, Shape.INFINITE}:
        return {Verdict.UNDEFINED, *({Verdict.MATCH} if _is_apart(function, gradient) else ())}
    if truth.shape is Shape.NO_DERIVATIVE:
        is_wrong = _is_wrongly_infinite(truth, gradient) or _has_wrong_rule(function.drawn)
        wrong = {Verdict.MISMATCH} if is_wrong else set()
        return {Verdict.UNDEFINED, *wrong, *({Verdict.MATCH} if _is_infinite(truth, gradient) else ())}
    if truth.shape is Shape.SMOOTH:
        wanted = _where_smooth(function, truth, gradient, largest)
        return set() if Verdict.MISMATCH in wanted and rounding_spoils(function.drawn) else wanted
    if truth.shape is Shape.UNKNOWN or not all(mp.isfinite(entry) for entry in gradient):
        return set()
    sides = [side for side in (*truth.below, *truth.above) if side is not None]
    if max(map(abs, [*sides, *map(mpf, gradient)]), default=mpf(0)) <= UNDERFLOW:
        return set()
    is_generalised, is_between = generalised(function, gradient), between(truth, gradient)
    if is_generalised is None or is_generalised != is_between or is_between != between(truth, gradient, NARROW):
        return set()
    if is_between:
        return {Verdict.SUBGRADIENT}
    return set() if between(truth, gradient, WRONG, CANCELLED * largest) else {Verdict.MISMATCH}


def _is_apart(function: Function, gradient: list[float]) -> bool:
    """Return whether an output that is not finite does not come about by a tensor, or in a branch not taken."""
    return not any(gradient) and (stays_undefined(function) or bool(branches(function.drawn)))


def _is_infinite(truth: Truth, gradient: list[float]) -> bool:
    """Return whether a gradient is infinite where a one-sided derivative by that entry is, with its sign."""
    return any(mp.isinf(entry) for entry in gradient) and not _is_wrongly_infinite(truth, gradient)


def _is_wrongly_infinite(truth: Truth, gradient: list[float]) -> bool:
    """Return whether a gradient is infinite where no one-sided derivative is, with its sign."""
    sides = zip(gradient, truth.below, truth.above, strict=False)
    return any(mp.isinf(entry) and mpf(entry) not in {one, other} for entry, one, other in sides)


def _has_wrong_rule(drawn: Drawn) -> bool:
    """Return whether a program has hardsigmoid, whose backward in PyTorch has the 1/6 of single precision."""
    return any(node.op == "hardsigmoid" for node in drawn.output.walk())


def _where_smooth(function: Function, truth: Truth, gradient: list[float], largest: float) -> set[Verdict]:
    right = truth.gradient
    if any(abs(own) > LARGEST and mp.isinf(entry) for entry, own in zip(gradient, right, strict=True)):
        return {Verdict.UNDEFINED}
    error = max((abs(mpf(entry) - own) for entry, own in zip(gradient, right, strict=True)), default=mpf(0))
    size = max((abs(own) for own in right), default=mpf(0))
    pairs = list(zip(gradient, right, strict=True))
    if all(abs(mpf(entry) - own) <= RIGHT * abs(own) + ABSOLUTE * size + UNDERFLOW for entry, own in pairs):
        return {Verdict.MATCH}
    if error <= WRONG * size + CANCELLED * largest:
        return set()
    return {Verdict.MISMATCH} if error > WRONG * size + CANCELLED * largest_term(function) else set()


def looked_at(drawn: Drawn, report: gradcli.Report) -> Iterator[tuple[Node, TensorReport]]:
    """Yield the tensors that have a verdict, with the node of the program that each is; not what is written twice."""
    squeezed = {"".join(text.split()): node for text, node in drawn.tensors.items()}
    for tensor in report.tensors:
        node = squeezed.get("".join(tensor.name.split()))
        if node is not None and tensor.verdict is not None and tensor.gradient is not None:
            yield node, tensor


def examine(drawn: Drawn, command: str) -> Iterator[tuple[str, Found]]:
    """Yield what the verdicts on the tensors of one program come to."""
    point = {name: torch.tensor(value, dtype=torch.float64) for name, value in drawn.point.items()}
    run = gradcli.check if command == "check" else gradcli.evaluate
    try:
        report = run(drawn.source, point)
    except GradcliError as error:
        yield "", Found("refused", str(error).splitlines()[0])
        return
    if rounding_decides(drawn) or leaves_doubles(drawn):
        yield "", Found(NOT_DECIDED)
        return
    overflows = not all(bool(tensor.value.isfinite().all()) for tensor in report.tensors)
    gradients = [tensor.gradient for tensor in report.tensors if tensor.gradient is not None]
    largest = max(float(gradient.abs().nan_to_num(0.0, 0.0).max()) for gradient in gradients)
    for node, tensor in looked_at(drawn, report):
        yield tensor.name, judge(drawn, node, tensor, largest=largest, overflows=overflows)


def main() -> None:
    """Print the figures, and everything that is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", choices=("check", "eval"), default=None)
    parser.add_argument("--show", nargs="*", default=["WRONG"], help="outcomes to list: WRONG, undecided, refused")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    counts: Counter[str] = Counter()
    started = time.perf_counter()
    for place in range(options.programs):
        drawn = draw(random.Random(options.seed * 1_000_003 + place))  # noqa: S311 (no secrets)
        command = options.command or ("check", "eval")[place % 2]
        for name, found in examine(drawn, command):
            counts[found.outcome] += 1
            if found.outcome == "agreed":
                counts[f"agreed: {found.words}"] += 1
            if found.outcome in options.show:
                print(f"{found.outcome}: {drawn.command(command)}\n    {name}: {found.words}", flush=True)
        if place % 100 == 99:  # noqa: PLR2004 (how far it is)
            print(f"{place + 1} programs: {dict(counts)}", file=sys.stderr, flush=True)
    for outcome, count in sorted(counts.items()):
        print(f"{outcome}: {count}")
    print(f"{options.programs} programs, {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
