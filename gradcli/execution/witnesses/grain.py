"""How finely a program is grained: rounding on the way, stairs that no step resolves, and its smallest number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.comparison.cancellation import is_sum
from gradcli.execution.comparison.nonfinite import at_jump, numbers_in
from gradcli.execution.forward.again import Again
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor
from gradcli.ops.record import Kind

# Next to numbers that are larger, doubles are so far apart that no step shows the stairs of a length of 1.
LARGEST_WITH_STAIRS = 2.0**43
# No kink is nearer to a point than this part of the smallest number of the program: sums of its numbers are no finer.
PART = 2.0**-60
# Numbers that are smaller than this part of it are differences of others, but for rounding 0.
RESIDUE = 2.0**-46
# Numbers that are smaller have hardly any digits: no step is a small part of them.
LEAST = 2.0**-1060
# Beside an entry that is smaller, but no residue, what is near is nearer in proportion.
TINY = 2.0**-12


@dataclass(frozen=True, slots=True)
class Grain:
    """What is known of a program beside its values at some points."""

    noise: float = 0.0
    """How far rounding on the way may move its output, beside that of the output itself."""
    has_steps: bool = False
    """Whether it may be a staircase: an op on the way jumps at some points."""
    hides_steps: bool = False
    """Whether such an op has numbers so large that its stairs cannot be seen."""
    smallest: float = 1.0
    """The size of the smallest number that is not 0 of its leaves and constants; at most 1."""
    largest: float = 1.0
    """The size of the largest number of its leaves and constants; at least 1."""

    @property
    def residue(self) -> float:
        """Return the size below which a number is what rounding left of 0."""
        return max(RESIDUE * self.smallest, LEAST)

    def lengths(self, entries: Tensor) -> Tensor:
        """Return what short lengths are relative to by each entry: its size; 1 if that is less, unless it is tiny."""
        sizes = entries.abs()
        return torch.where((sizes > self.residue) & (sizes < TINY), sizes / TINY, sizes.clamp_min(1.0))

    @property
    def finest(self) -> float:
        """Return the length below which there is nothing to see but underflow."""
        return PART * self.smallest


NO_GRAIN = Grain()


def hides_steps_of(trace: Trace, traced: TracedTensor) -> bool:
    """Return whether a tensor is on the way to an op whose stairs cannot be seen."""
    return any(True for _ in hidden_steps_of(trace, traced))


def hidden_steps_of(trace: Trace, traced: TracedTensor) -> Iterator[TracedCall]:
    """Yield the calls on the way of a tensor whose stairs cannot be seen."""
    reached = {traced}
    for call in trace.calls:
        if reached.isdisjoint(call.inputs):
            continue
        if _hides_steps(call):
            yield call
        reached.update(call.outputs)


def _hides_steps(call: TracedCall) -> bool:
    """Return whether a call makes stairs of numbers too large for them, or is at a jump beside such numbers."""
    if call.discontinuities is None or not any(map(_is_large, call.inputs)):
        return False
    return (call.op.kind is Kind.CONSTANT and any(map(_is_large, call.outputs))) or at_jump(call)


def _is_large(traced: TracedTensor) -> bool:
    tensor = traced.tensor.detach()
    return _has_reals(tensor) and float(tensor.abs().nan_to_num(0.0, 0.0).max()) > LARGEST_WITH_STAIRS


def absorbs(trace: Trace, traced: TracedTensor) -> bool:
    """Return whether a sum on the way of a tensor has no digit of a term that depends on it: y + cos(y) at 1e160."""
    reached = {traced}
    for call in trace.calls:
        if not reached.isdisjoint(call.inputs):
            if is_sum(call) and any(_is_absorbed(one, call.outputs[0]) for one in call.inputs if one in reached):
                return True
            reached.update(call.outputs)
    return False


def _is_absorbed(term: TracedTensor, total: TracedTensor) -> bool:
    own, whole = (one.tensor.detach().abs() for one in (term, total))
    return _has_reals(term.tensor) and bool(((own != 0) & (own < torch.finfo(own.dtype).eps * whole)).any())


def grain_of(rerun: Again) -> Grain:
    """Return what is known of a program at its own point; its noise is not looked for."""
    calls = rerun.calls
    has_steps = any(call.discontinuities is not None for call in calls)
    hides_steps = any(_hides_steps(call) for call in calls)
    numbers = [*_numbers(rerun)]
    smallest, largest = min(1.0, *map(_smallest, numbers)), max(1.0, *map(_largest, numbers))
    return Grain(0.0, has_steps, hides_steps, smallest, largest)


def _numbers(rerun: Again) -> Iterator[Tensor]:
    """Yield the leaves and the numbers that are written in calls."""
    yield from (leaf.tensor for leaf in rerun.leaves.values())
    for call in rerun.calls:
        made = {id(traced.tensor) for traced in call.inputs}
        yield from (number for number in numbers_in(call) if id(number) not in made)


def _smallest(tensor: Tensor) -> float:
    sizes = tensor.detach().abs() if _has_reals(tensor) else tensor.new_zeros(0)
    return float(sizes[sizes > 0].amin()) if bool((sizes > 0).any()) else math.inf


def _largest(tensor: Tensor) -> float:
    sizes = tensor.detach().abs().nan_to_num(0.0, 0.0) if _has_reals(tensor) else tensor.new_zeros(0)
    return float(sizes.amax()) if sizes.numel() else 0.0


def _has_reals(tensor: Tensor) -> bool:
    return tensor.numel() > 0 and (tensor.is_floating_point() or tensor.is_complex())


def entries_on_the_way(traced: TracedTensor, trace: Trace) -> int:
    """Return how many entries the calls that depend on a tensor read and write."""
    moving, count = {traced}, 0
    for call in trace.calls:
        if not moving.isdisjoint(call.inputs):
            moving.update(call.outputs)
            count += sum(one.tensor.numel() for one in (*call.inputs, *call.outputs))
    return count
