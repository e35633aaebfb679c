"""PyTorch run at points: what it gives there beside the derivative, and the points that show a difference."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from gradcli.derivation.proof import ProofRequest, ProvedEntry, Region
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.proof.provable import UPSTREAM, Provable, Written, drawn
from gradcli.report.proof import Witness

# Numbers at which a backward that is wrong somewhere may be wrong, beside those that it names itself.
NUMBERS = (0.0, 1.0, -1.0, 2.0, -3.0, 0.5, -0.5, 4.0, -7.0, 10.0, -25.0, 3.0, 100.0, -2.0)
BESIDE = 0.0625
RANDOM, MOST_POINTS = 8, 40
# The more entries there are, the fewer points, so that there is time for the proof.
FEWEST, MOST_VALUES = 6, 400
# PyTorch's gradient is another than the derivative where it is off by more than rounding.
APART, ROUNDED, CANCELLED = 1e-7, 1e-10, 1e-9
# Of formulas, by CANCELLED, that are computed with many digits and cancel: 28 digits are the same.
DIGITS = 1e-19


@dataclass(frozen=True, slots=True)
class Run:
    """PyTorch at one point."""

    point: Mapping[str, Tensor]
    cotangent: Tensor
    gradients: list[Tensor] | None
    """What autograd gives; None where the function does not run there."""


def points(provable: Provable, circuit: Written) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    """Yield points: at integers, at the numbers of the backward and beside them, and at random."""
    source = random.Random(0)  # noqa: S311 (points, and no secrets)
    named = [float(Fraction(str(node[1]))) for node in circuit.circuit.nodes if node[0] == "number"]
    named = [number for number in dict.fromkeys(map(abs, named)) if 2.0**-10 < number < 2.0**10][:6]
    special = [
        *NUMBERS,
        *(sign * number * (1 + shift) for number in named for sign in (1, -1) for shift in (0, BESIDE)),
    ]
    entries = sum(leaf.codes.numel() for leaf in circuit.leaves.values())
    for place in range(min(len(special), MOST_POINTS, max(FEWEST, MOST_VALUES // max(entries, 1))) + RANDOM):

        def value(name: str, entry: int, place: int = place) -> float:
            low, high = provable.domains.get(name, (-math.inf, math.inf))
            number = special[(place + 5 * entry) % len(special)]
            if name != UPSTREAM and place < len(special) and low < number < high:
                return number
            return _between(low, high, source)

        yield drawn(provable, value)


def _between(low: float, high: float, source: random.Random) -> float:
    """Return a random number in an interval, of few bits."""
    part = source.randint(1, 1023) / 1024
    if math.isfinite(low) and math.isfinite(high):
        return low + (high - low) * part
    if math.isfinite(low):
        return low + 4 * part
    return high - 4 * part if math.isfinite(high) else 6 * part - 3


def run(provable: Provable, point: dict[str, Tensor], cotangent: Tensor) -> Run:
    """Run PyTorch at a point."""
    try:
        return Run(point, cotangent, [found.to(torch.float64) for found in provable.run(point, cotangent)])
    except REFUSALS:
        return Run(point, cotangent, None)


def witness_at(
    run: Run, place: int, values: Sequence[float | None], formulas: Sequence[float | None] | None
) -> Witness | None:
    """Return a point at which PyTorch's gradient is not the derivative.

    `formulas` are the values of the formula of what it computes, None where it has none, if there is a formula. Where
    that gives the derivative, or there is none, much of what PyTorch gives may be rounding, and an infinity overflow.
    """
    assert run.gradients is not None  # noqa: S101 (the others were left out)
    gradient = run.gradients[place].reshape(-1)
    for entry, value in enumerate(values):
        if value is None:
            continue
        formula = None if formulas is None else formulas[entry]
        is_wrong = formulas is not None and (formula is None or _apart(formula, value, DIGITS * _terms(run)))
        found = float(gradient[entry])
        allowed = _rounding(values) if is_wrong else _terms(run)
        if _apart(found, value, allowed) and (is_wrong or math.isfinite(found)):
            return _as_witness(run, run.gradients[place], entry, value)
    return None


def _rounding(values: Sequence[float | None]) -> float:
    """Return how far rounding may move a gradient whose formula is another than the derivative's."""
    return ROUNDED * max((abs(value) for value in values if value is not None and math.isfinite(value)), default=0.0)


def _terms(run: Run) -> float:
    """Return how far rounding may move a gradient that cancels: of terms of the size of what it is computed of."""
    sizes = [float(t.abs().max()) for t in (run.cotangent, *run.point.values()) if t.numel() and t.is_floating_point()]
    return CANCELLED * math.prod(1 + size for size in sizes)


def _apart(found: float, wanted: float, rounding: float = 0.0) -> bool:
    """Return whether two numbers are apart by more than rounding; what is too large for a float is not looked at."""
    if not math.isfinite(wanted):
        return False
    largest = max(abs(wanted), abs(found) if math.isfinite(found) else 0.0)
    return not abs(found - wanted) <= APART * largest + rounding


def _as_witness(run: Run, gradient: Tensor, entry: int, value: float) -> Witness:
    index = tuple(int(i) for i in torch.unravel_index(torch.tensor(entry), gradient.shape)) if gradient.ndim else ()
    leaves = {name: leaf.tolist() for name, leaf in run.point.items()}
    return Witness(leaves, run.cotangent.tolist(), index, float(gradient.reshape(-1)[entry]), value)


def confirmed(provable: Provable, asked: ProofRequest, place: int, entries: Sequence[ProvedEntry]) -> Witness | None:
    """Return a point of a region at which running it shows the difference."""
    for number, entry in enumerate(entries):
        for region in entry.regions:
            if region.kind not in {"difference", "undefined"} or region.point is None or region.value is None:
                continue
            run = _run_at(provable, asked, region)
            if run.gradients is None:
                continue
            found = float(run.gradients[place].reshape(-1)[number])
            if _apart(found, region.value):
                return _as_witness(run, run.gradients[place], number, region.value)
    return None


def _run_at(provable: Provable, asked: ProofRequest, region: Region) -> Run:
    names = {str(asked.nodes[leaf][1]): value for leaf, value in region.point or ()}

    def value(name: str, entry: int) -> float:
        like = provable.cotangent if name == UPSTREAM else provable.point[name]
        index = torch.unravel_index(torch.tensor(entry), like.shape) if like.ndim else ()
        return names.get(name + (f"[{', '.join(str(int(i)) for i in index)}]" if like.ndim else ""), 1.0)

    return run(provable, *drawn(provable, value))
