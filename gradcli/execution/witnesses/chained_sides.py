"""One-sided derivatives of a whole program from those of its calls, which no step of the program has to be taken for.

The chain rule holds for one-sided derivatives along directions: that of f(g) at x along d is that of f at g(x) along
the one of g, for what is continuous with bounded slopes. A call that is smooth has the slope of its forward mode; one
at a kink that of the piece which begins to that side: the slope next to the point, where its operands went along their
own slopes. So slopes that are 0 but for 10^-35, kinks that only squares follow, and ties of numbers so large that the
next ones are far away are told, where quotients of the program are lost.
(A. Shapiro, On concepts of directional differentiability, 1990.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import torch
from torch import Tensor

from gradcli.execution.comparison.rounding import Point
from gradcli.execution.comparison.vanishing import definitions_factor, vanishes
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor
from gradcli.execution.reference.decomposition import DecomposedCall, Decomposition
from gradcli.execution.reference.layout import broadcast
from gradcli.execution.witnesses.line import random_directions
from gradcli.execution.witnesses.without_compiler import uncompiled
from gradcli.ops.record import Kind

# How far next to the point is, relative to the entries: what both say is believed.
NEXT = (2.0**-22, 2.0**-27)
# Slopes that are as near to each other as the first of these, relative to the largest, are the same, and as far apart
# as the second, different.
SAME, DIFFERENT = 1e-5, 1e-3
# What is less than this part of the largest adjoint may be what rounding left.
LEFT = 1e-10
# Results are the same within this, relative to the largest: where a decision falls otherwise, they jump if not.
ROUNDED = 1e-12
# An entry that goes less than this part of what the fastest goes may stay where it is.
SLOW = 1e-6
# Programs and tensors with more calls and entries are not looked at.
MOST_CALLS, MOST_ENTRIES, MOST_AXES = 64, 64, 8
RANDOM = 4

Tangents = dict[TracedTensor, Tensor]


class Sided(Enum):
    """What a program is at a point by one-sided derivatives along directions, beside a gradient."""

    SMOOTH = auto()
    """They are those of a gradient, and it is the right one."""
    OTHER = auto()
    """They are those of another gradient."""
    KINK = auto()
    """They are those of no gradient."""
    LOST = auto()
    """One on the way is 0 by rounding alone, so that it is not known."""
    UNKNOWN = auto()


class _UnknownError(Exception):
    """A one-sided derivative is not finite, a value jumps, or rounding hides what is next to the point."""


def look(point: Point, traced: TracedTensor, gradient: Tensor) -> Sided:
    """Return what a program is by a tensor, beside a gradient by it."""
    if not _is_in_reach(point.decomposition.trace, traced):
        return Sided.UNKNOWN
    directions = _directions(traced.tensor.numel())
    try:
        with double_precision(), torch.no_grad():
            ahead, behind = uncompiled(lambda: [_slopes(point, traced, side) for side in (directions, -directions)])
        if any(vanishes(point, call, reached) for call, reached in _reached(point.decomposition.trace, traced)):
            return Sided.LOST
    except (_UnknownError, *REFUSALS):
        return Sided.UNKNOWN
    return _told(ahead, -behind, directions, gradient.detach().cpu().reshape(-1).to(torch.float64), point.scale)


def _reached(trace: Trace, traced: TracedTensor) -> Iterator[tuple[TracedCall, list[TracedTensor]]]:
    """Yield the calls that depend on a tensor, with the operands by which they do."""
    reached = {traced}
    for call in trace.calls:
        if not reached.isdisjoint(call.inputs):
            yield call, [operand for operand in call.inputs if operand in reached]
            reached.update(call.outputs)


def has_no_kinks(decomposition: Decomposition, traced: TracedTensor) -> bool:
    """Return whether no op on the way of a tensor may have a kink or a jump, or decide anything, at any point."""
    reached = {id(call) for call, _ in _reached(decomposition.trace, traced)}
    return not any(id(group.call) in reached and _may_bend(group) for group in decomposition.calls)


def _may_bend(group: DecomposedCall) -> bool:
    call = group.call
    known = call.op.discontinuities is not None or call.gap is not None or call.inner is not None
    return known or not all(map(_is_real, call.outputs)) or any(node.kinks is not None for node in group.nodes)


def _is_in_reach(trace: Trace, traced: TracedTensor) -> bool:
    """Return whether a program is small, in double precision, and all of it by calls that can be run again."""
    tensors = [*trace.leaves, *(output for call in trace.calls for output in call.outputs)]
    reals = {traced.tensor.dtype for traced in tensors if _is_real(traced) or traced.tensor.is_complex()}
    return (
        trace.ran is None
        and len(trace.calls) <= MOST_CALLS
        and 0 < traced.tensor.numel() <= MOST_ENTRIES
        and all(tensor.tensor.numel() <= MOST_ENTRIES**2 for tensor in tensors)
        and reals == {torch.float64}
        and not any(call.gap is not None or call.inner is not None for call in trace.calls)
    )


def _is_real(traced: TracedTensor) -> bool:
    return traced.tensor.is_floating_point()


def _directions(entries: int) -> Tensor:
    """Return the axes of a small tensor, all ones, and random directions, a row each."""
    axes = torch.eye(entries, dtype=torch.float64)
    if entries == 1:
        return axes
    return torch.cat(
        [axes[:MOST_AXES], torch.ones(1, entries, dtype=torch.float64), random_directions(RANDOM, entries)]
    )


def _told(ahead: Tensor, behind: Tensor, directions: Tensor, gradient: Tensor, scale: float) -> Sided:
    """Return what slopes to both sides of a point say of a gradient."""
    slopes = torch.cat([ahead, behind])
    size = float(slopes.abs().amax())
    if float((ahead - behind).abs().amax()) > DIFFERENT * size:
        return Sided.KINK
    found = torch.linalg.lstsq(directions, ahead[:, None]).solution[:, 0]
    if not bool(((directions @ found - slopes.reshape(2, -1)).abs() <= SAME * size).all()):
        return Sided.UNKNOWN if bool((directions @ found - ahead).abs().amax() <= DIFFERENT * size) else Sided.KINK
    off, largest = float((directions @ gradient - ahead).abs().amax()), max(size, float(gradient.abs().amax()))
    if off <= SAME * size or off <= ROUNDED * scale:
        return Sided.SMOOTH
    return Sided.OTHER if off > DIFFERENT * largest and off > LEFT * scale else Sided.UNKNOWN


def _slopes(point: Point, traced: TracedTensor, directions: Tensor) -> Tensor:
    """Return the one-sided derivatives of the weighted output along each row; _UnknownError where there is none."""
    found = torch.tensor(
        [[_slope(point, traced, row, step) for row in directions] for step in NEXT],
        dtype=torch.float64,
    )
    if not bool((found[0] - found[1]).abs().amax() <= SAME * found.abs().amax()):  # another kink is near
        raise _UnknownError
    return found[0]


def _slope(point: Point, traced: TracedTensor, direction: Tensor, step: float) -> float:
    moving = _Moving(point, step, {traced: direction.reshape(traced.tensor.shape)})
    for group in point.decomposition.calls:
        if traced not in group.call.outputs:
            moving.through(group)
    tangent = moving.tangents.get(point.decomposition.trace.output)
    return 0.0 if tangent is None else float((point.cotangent.cpu() * tangent).sum())


@dataclass(slots=True)
class _Moving:
    """A run along a direction: the slopes of its tensors, and what it decides otherwise next to the point."""

    point: Point
    step: float
    tangents: Tangents
    decided: Tangents = field(default_factory=dict)
    """The truth values and integers that are others."""

    def through(self, group: DecomposedCall) -> None:
        """Go on through one call."""
        call = group.call
        if not any(traced in self.tangents or traced in self.decided for traced in call.inputs):
            return
        own = {traced: self.decided.get(traced, traced.tensor.detach()) for traced in call.inputs}
        steps, decides = call.op.kind is Kind.CONSTANT, not all(map(_is_real, call.outputs))
        moved = own | self._moved(call) if steps or decides or _is_at_kink(group) else own
        if steps or any(traced in self.decided for traced in call.inputs):
            self._refuse_jumps(call, moved if steps else own)
        if decides:
            self._decide(call, moved)
        if not steps and any(map(_is_real, call.outputs)):
            self._push(call, moved if _is_at_kink(group) else own, exactly=not _is_at_kink(group))

    def _moved(self, call: TracedCall) -> Tangents:
        """Return the operands that move, next to the point: each entry relative to its size."""
        moving = [traced for traced in call.inputs if traced in self.tangents]
        fastest = max((float(self.tangents[traced].abs().amax()) for traced in moving), default=0.0)
        moved = {}
        for traced, size in _sizes(call, moving) if fastest else ():
            value, speed = traced.tensor.detach(), self.tangents[traced] / fastest
            moved[traced] = value + self.step * size * speed
            if bool(((moved[traced] == value) & (speed.abs() > SLOW)).any()):
                raise _UnknownError
        return moved

    def _refuse_jumps(self, call: TracedCall, values: Mapping[TracedTensor, Tensor]) -> None:
        """Raise _UnknownError where a call's results at these values are not its own."""
        results = call.run(values)
        for traced in filter(_is_real, call.outputs):
            before = traced.tensor.detach()
            allowed = ROUNDED * before.abs().amax() if before.numel() else 0.0
            if not bool(((results[traced] - before).abs() <= allowed).all()):
                raise _UnknownError

    def _decide(self, call: TracedCall, moved: Mapping[TracedTensor, Tensor]) -> None:
        """Note what a call decides otherwise next to the point."""
        results = call.run(moved)
        for traced in call.outputs:
            if not _is_real(traced) and not torch.equal(results[traced], traced.tensor):
                self.decided[traced] = results[traced]

    def _push(self, call: TracedCall, values: Mapping[TracedTensor, Tensor], *, exactly: bool) -> None:
        """Note the slopes of a call's results; _UnknownError where one is not finite.

        Where they are 0 at the point `exactly`, those of the definition count: PyTorch may have lost them.
        """
        moving = [traced for traced in call.inputs if traced in self.tangents]
        for traced, found in _forward(call, values, {operand: self.tangents[operand] for operand in moving}):
            tangent = self._with_lost(call, moving, found) if exactly else found
            if not bool(tangent.isfinite().all()):
                raise _UnknownError
            if bool((tangent != 0).any()):
                self.tangents[traced] = tangent

    def _with_lost(self, call: TracedCall, moving: Sequence[TracedTensor], tangent: Tensor) -> Tensor:
        """Return the slopes of a pointwise call with its definition's in the place of zeros."""
        alike = all(traced.tensor.shape == tangent.shape for traced in moving)
        if call.op.kind is not Kind.POINTWISE or not alike or not bool((tangent == 0).any()):
            return tangent
        factors = {traced: definitions_factor(self.point, call, traced) for traced in moving}
        terms = [factor * self.tangents[traced] for traced, factor in factors.items() if factor is not None]
        own = torch.stack([tangent, *terms])[1:].sum(0).nan_to_num(0.0, 0.0, 0.0)
        return torch.where(tangent == 0, own, tangent)


def _forward(
    call: TracedCall, values: Mapping[TracedTensor, Tensor], tangents: Tangents
) -> Iterator[tuple[TracedTensor, Tensor]]:
    """Yield the real results of a call with their slopes, by forward mode."""
    results = [traced for traced in call.outputs if _is_real(traced)]

    def run(*tensors: Tensor) -> list[Tensor]:
        made = call.run({**values, **dict(zip(tangents, tensors, strict=True))})
        return [made[traced] for traced in results]

    if tangents:
        _, found, *_ = torch.func.jvp(run, tuple(values[traced] for traced in tangents), tuple(tangents.values()))
        yield from zip(results, (slope.detach() for slope in found), strict=True)


def _is_at_kink(group: DecomposedCall) -> bool:
    return any(bool(node.kinks().any()) for node in group.nodes if node.kinks is not None)


def _sizes(call: TracedCall, moving: Sequence[TracedTensor]) -> Iterator[tuple[TracedTensor, Tensor]]:
    """Yield operands with what each entry's step is relative to: the smallest of the numbers that it is read with.

    These are the operands' entries at its place; where the operands have no places in common, all of them.
    """
    reals = [traced.tensor.detach() for traced in call.inputs if _is_real(traced)]
    shape = broadcast([tuple(tensor.shape) for tensor in reals])
    together = all(tensor.shape in {torch.Size(shape), torch.Size([])} for tensor in reals)
    smallest = _smallest(reals)
    for traced in moving:
        if not together:
            yield traced, torch.full_like(traced.tensor, smallest)
            continue
        least = torch.stack([_or_larger(tensor, smallest).expand(shape) for tensor in reals]).amin(0)
        yield traced, least if traced.tensor.shape == least.shape else least.amin()


def _or_larger(tensor: Tensor, smallest: float) -> Tensor:
    """Return the sizes of entries; of those that are 0, that of the smallest."""
    return torch.where(tensor == 0, smallest, tensor.abs())


def _smallest(tensors: Iterable[Tensor]) -> float:
    sizes = torch.cat([tensor.abs().reshape(-1) for tensor in tensors])
    sizes = sizes[(sizes > 0) & sizes.isfinite()]
    return min(1.0, float(sizes.amin())) if sizes.numel() else 1.0
