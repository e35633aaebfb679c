"""How far rounding on the way may move a program's output: seen by runs with other last bits of every value.

What was rounded differs by that for equal operands alike: two calls that give equal results round them alike, and what
only selects among its operands does not round.

The witnesses are differences of outputs. What was rounded before a cancellation, (x + y) - y for a large y, is as large
as it was then, and the size of the output says nothing of it. (Vignes 1993, CADNA.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from zlib import crc32

import torch
from torch import Tensor

from gradcli.execution.comparison.nonfinite import at_jump
from gradcli.execution.forward.again import Again, Key, Perturb
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.execution.reference.last_bits import perturb_alike
from gradcli.execution.witnesses.exact_calls import exact_calls
from gradcli.execution.witnesses.line import EPSILON
from gradcli.ops.record import Kind

# Each run has another beside it with the opposite changes: at a kink only those to one side may show.
RUNS = 2
# Values change by up to so large a part, so that most do.
FINE = 4 * EPSILON
# What the last bits do not show, ones that are this many times coarser do.
COARSER = 2.0**20
# How far next to the point is, relative to the entries.
NEXT = 2.0**-40
# Changes that are as large for fine ones as for coarse ones are as large as any: what is seen may be many times larger.
ALIKE, SPENT = 4.0, 16.0


def noise_of(rerun: Again, cotangent: Tensor, result: TracedTensor | None = None) -> float:
    """Return how far rounding on the way may move L = Re sum conj(cotangent) * output; 0 if nothing is known.

    With a `result` it stands for the output.

    A jump is no noise: what the program decides stays as it is, and so does what an op makes that is at a jump.
    Where nothing moves, numbers cancel that are equal at the point: next to it they are not, and are rounded.
    """
    held, exact = dict(_held(rerun)), exact_calls(rerun)
    fine, coarse = (_scatter(rerun, cotangent, held, result, _Rounding(size, exact)) for size in (FINE, COARSER * FINE))
    inside = _inside(rerun, cotangent, held, result, _Rounding(FINE, exact)) * EPSILON / FINE
    if not coarse:
        return max(inside, _beside(rerun, cotangent, result, _Rounding(FINE, exact)) * EPSILON / FINE)
    return max(inside, SPENT * fine if fine >= coarse / ALIKE else max(fine, coarse / COARSER) * EPSILON / FINE)


def other_last_bits(rerun: Again) -> Iterator[Perturb]:
    """Yield what changes the last bits of whatever a program's calls round, to one side and to the other.

    Equal results are changed alike; and those of different ops, which may be equal by rounding alone, each its own way.
    """
    for seed, to_one_side in _Rounding(FINE, exact_calls(rerun)).runs():
        yield to_one_side.of_calls(seed)
        yield to_one_side.of_ops(seed)


def _held(rerun: Again) -> Iterator[tuple[TracedTensor, Tensor]]:
    """Yield truth values, integers, and what is computed at a jump, with their values."""
    for call in rerun.trace.calls:
        jumps = at_jump(call)
        for traced in call.outputs:
            value = rerun.value(traced)
            if value is not None and (jumps or not (value.is_floating_point() or value.is_complex())):
                yield traced, value


def _inside(
    rerun: Again,
    cotangent: Tensor,
    held: Mapping[TracedTensor, Tensor],
    result: TracedTensor | None,
    rounding: _Rounding,
) -> float:
    """Return how far L moves if calls that add up, or the like, round each number that they read by itself.

    The standard deviation of equal numbers is 0, or 10^-16 of them, and no change of all of them alike may show it.
    """
    read = dict.fromkeys(
        traced for call in rerun.trace.calls if _adds_up(rerun, call, rounding.exact) for traced in call.inputs
    )
    values = {traced: rerun.value(traced) for traced in read if traced not in held and traced not in rerun.leaves}
    generator = torch.Generator().manual_seed(1)
    changed = {t: rounding.of_leaf(value, generator) for t, value in values.items() if value is not None}
    if not changed:
        return 0.0
    try:
        output = _output(rerun, result, {**changed, **held}, None)
    except RuntimeError:  # at the end of a domain
        return 0.0
    return _distance(output, rerun.output({}) if result is None else rerun.result(result, {}), cotangent)


def _adds_up(rerun: Again, call: TracedCall, exact: frozenset[Key]) -> bool:
    """Return whether a call may round what it makes of several numbers."""
    alone = call.op.kind in {Kind.POINTWISE, Kind.MOVEMENT, Kind.CONSTANT}
    return not alone and all(rerun.key_of(traced) not in exact for traced in call.outputs)


def _beside(rerun: Again, cotangent: Tensor, result: TracedTensor | None, rounding: _Rounding) -> float:
    """Return how far L moves next to the point if every result but what is decided there changes in its last bits."""
    steps = {traced for call in rerun.trace.calls if call.op.kind is Kind.CONSTANT for traced in call.outputs}
    whole = [traced for traced, value in _held(rerun) if traced in steps or not value.is_floating_point()]
    found = 0.0
    for side in (NEXT, -NEXT):
        moved = {leaf: _moved(own.tensor, side) for leaf, own in rerun.leaves.items()}
        try:
            held = moved | {traced: rerun.result(traced, moved) for traced in whole}
            plain = _output(rerun, result, held, None)
            rounded = _output(rerun, result, held, rounding.of_calls(1))
        except RuntimeError:  # at the end of a domain
            continue
        found = max(found, _distance(rounded, plain, cotangent))
    return found


def _moved(tensor: Tensor, side: float) -> Tensor:
    """Return a leaf a little further: relative to each entry, and where it is 0 to 1."""
    if not tensor.is_floating_point():
        return tensor
    return tensor + side * torch.where(tensor == 0, 1.0, tensor.abs())


def _output(
    rerun: Again, result: TracedTensor | None, changed: Mapping[TracedTensor, Tensor], perturb: Perturb | None
) -> Tensor:
    return rerun.run(changed, perturb)[0] if result is None else rerun.result(result, changed, perturb)


def _distance(output: Tensor, base: Tensor, cotangent: Tensor) -> float:
    return float(((output - base).abs() * cotangent.abs()).nan_to_num(0.0, 0.0, 0.0).sum())


@dataclass(frozen=True, slots=True)
class _Rounding:
    """Other last bits, up to a part of that size, of what is not exact."""

    size: float
    exact: frozenset[Key]

    def runs(self) -> Iterator[tuple[int, _Rounding]]:
        """Yield the seeds of the runs, each with these changes and with those of the opposite signs."""
        return product(range(1, RUNS + 1), (self, _Rounding(-self.size, self.exact)))

    def of_leaf(self, tensor: Tensor, generator: torch.Generator) -> Tensor:
        """Return a leaf with each number changed by itself: there is no more to it than these last bits."""
        if not tensor.is_floating_point():
            return tensor
        return tensor * (1 + self.size * (2 * torch.rand(tensor.shape, generator=generator, dtype=torch.float64) - 1))

    def of_calls(self, seed: int) -> Perturb:
        """Return what changes the results of calls."""
        return lambda key, tensor: tensor if key in self.exact else self._changed(tensor, seed)

    def of_ops(self, seed: int) -> Perturb:
        """Return what changes the results of each op in its own way: those of one op alike, be its calls several."""
        return lambda key, tensor: tensor if key in self.exact else self._changed(tensor, seed + crc32(key[0].encode()))

    def _changed(self, tensor: Tensor, seed: int) -> Tensor:
        """Return a tensor with each number changed, equal numbers alike."""
        return perturb_alike(tensor, seed, self.size)


def _scatter(
    rerun: Again,
    cotangent: Tensor,
    held: Mapping[TracedTensor, Tensor],
    result: TracedTensor | None,
    rounding: _Rounding,
) -> float:
    """Return how far L moves if every leaf and every result that is not held changes in its last bits.

    Nothing of code can be held: runs that decide otherwise than the point does are only asked where all do, and then
    how far they are from each other.
    """
    base = rerun.output({}) if result is None else rerun.result(result, {})
    found: dict[bool, list[Tensor]] = {False: [base], True: []}
    for seed, to_one_side in rounding.runs():
        generator = torch.Generator().manual_seed(seed)
        leaves = {leaf: to_one_side.of_leaf(own.tensor, generator) for leaf, own in rerun.leaves.items()}
        changed, perturb = {**leaves, **held}, to_one_side.of_calls(seed)
        try:
            output = _output(rerun, result, changed, perturb)
        except RuntimeError:  # at the end of a domain
            continue
        moves = _distance(output, base, cotangent) > 0
        found[moves and _decides_otherwise(rerun, changed, perturb)].append(output)
    first, *others = found[len(found[False]) == 1 and bool(found[True])]
    return max((_distance(output, first, cotangent) for output in others), default=0.0)


def _decides_otherwise(rerun: Again, changed: Mapping[TracedTensor, Tensor], perturb: Perturb) -> bool:
    """Return whether code decides something otherwise at these values; what a program decides is held."""
    return rerun.trace.ran is not None and rerun.may_decide and rerun.decides_otherwise(changed, perturb)
