"""Detection power: bugs planted in right custom Functions, and what gradcli and torch's gradcheck say of each.

`python benchmarks/detection.py [--only NAME] [--verbose]` prints a table: per kind of bug how many there are, how many
`gradcli.check_function` finds, how often it names the cause, and how many `torch.autograd.gradcheck` finds by default.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import warnings
from collections import defaultdict
from pathlib import Path

import torch

import gradcli
from gradcli.report.custom import CustomDetails

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "execution" / "custom"))
from functions import SPECS, Function, Spec
from planted import CAUSES, build, cases


def said(function: Function, spec: Spec) -> tuple[str, str]:
    """Return the verdict of gradcli on a Function, and all that it says."""
    report = gradcli.check_function(function, shapes=spec.shapes)
    assert isinstance(report.details, CustomDetails)  # noqa: S101 (it is a Function's report)
    notes = [f"{item.name}: {item.note}" for item in (*report.tensors, *(report.details.checks or ())) if item.note]
    return str(report.verdict), "\n".join(notes)


def passes_gradcheck(function: Function, spec: Spec) -> bool:
    """Return whether PyTorch's gradcheck lets a Function pass, with its defaults, at a random point."""
    torch.manual_seed(0)
    point = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in spec.shapes.values()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(torch.autograd.gradcheck(function.apply, point, raise_exception=False))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    table: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    torch.set_num_threads(1)
    started = time.perf_counter()
    for spec in SPECS:
        if options.only and options.only not in spec.name:
            continue
        verdict, words = said(build(spec), spec)
        _count(table["right"], verdict != "match", named=False, gradcheck=not passes_gradcheck(build(spec), spec))
        if verdict != "match":
            print(f"false alarm: {spec.name}: {verdict}\n{words}")
        for kind, function in cases(spec):
            verdict, words = said(function, spec)
            found, named = verdict != "match", re.search(CAUSES[kind], words) is not None
            _count(table[kind], found, named=named, gradcheck=not passes_gradcheck(function, spec))
            if options.verbose and not (found and named):
                print(f"{spec.name} {kind}: {verdict}\n{words}\n")
    _print(table)
    print(f"{sum(row[0] for row in table.values())} Functions in {time.perf_counter() - started:.0f} s")


def _count(row: list[int], found: bool, *, named: bool, gradcheck: bool) -> None:  # noqa: FBT001
    for place, value in enumerate((True, found, named, gradcheck)):
        row[place] += value


def _print(table: dict[str, list[int]]) -> None:
    print("| bug | planted | found | cause named | found by gradcheck |")
    print("|---|---|---|---|---|")
    for kind, row in table.items():
        print(f"| {kind} | {' | '.join(map(str, row))} |")
    bugs = [row for kind, row in table.items() if kind != "right"]
    print(f"| all bugs | {' | '.join(str(sum(column)) for column in zip(*bugs, strict=True))} |")


if __name__ == "__main__":
    main()
