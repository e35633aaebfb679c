"""One-sided derivatives of a whole program from those of its calls, which no step of the program has to be taken for.

The chain rule holds for one-sided derivatives along directions: that of f(g) at x along d is that of f at g(x) along
the one of g, for what is continuous with bounded slopes. A call that is smooth has the slope of its forward mode; one
at a kink that of the piece which begins to that side: the slope next to the point, where its operands went along their
own slopes. So slopes that are 0 but for 10^-35, kinks that only squares follow, and ties of numbers so large that the
next ones are far away are told, where quotients of the program are lost.
(A. Shapiro, On concepts of directional differentiability, 1990.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import Enum, auto

import torch
from torch import Tensor

from gradcli.execution.comparison.jump_sizes import at_jumps_after
from gradcli.execution.comparison.rounding import Point
from gradcli.execution.comparison.slopes_of_calls import is_real, largest
from gradcli.execution.comparison.vanishing import vanishes
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.selecting import exact_results
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor
from gradcli.execution.forward.without_compiler import uncompiled
from gradcli.execution.reference.decomposition import DecomposedCall, Decomposition
from gradcli.execution.reference.nodes import Node
from gradcli.execution.witnesses.grain import LEAST, hidden_steps_of
from gradcli.execution.witnesses.line import random_directions
from gradcli.execution.witnesses.moving import JUMP, Moving
from gradcli.execution.witnesses.nearing import UnknownError
from gradcli.ops.record import Kind
from gradcli.tolerance import CLOSENESS

# How far next to the point is, relative to the entries: what both say is believed.
NEXT = (2.0**-22, 2.0**-27)
# How far on what has no slope is seen to move.
FURTHER = 2.0**-12
# Slopes that are as near to each other as the first of these, relative to the largest, are the same, and as far apart
# as the second, different.
SAME, DIFFERENT = 1e-5, 1e-3
# What is infinite by overflow is finite along directions that are so much shorter, and an infinite slope is not.
SHORT = 2.0**-500
# How many times their error slopes may be apart, and be the same.
CLEARLY = 10.0
# What is less than this part of the largest adjoint may be what rounding left.
LEFT = 1e-10
# What is less than this part of the largest adjoint is 0.
ROUNDED = 1e-12
# Programs and tensors with more calls and entries are not looked at.
MOST_CALLS, MOST_ENTRIES, MOST_AXES = 64, 64, 8
RANDOM = 4

# Slopes ahead and behind, each with how far off they may be.
Sides = list[tuple[Tensor, float]]


class Sided(Enum):
    """What a program is at a point by one-sided derivatives along directions, beside a gradient."""

    SMOOTH = auto()
    """They are those of a gradient, and it is the right one."""
    OTHER = auto()
    """They are those of another gradient."""
    KINK = auto()
    """They are those of no gradient."""
    BETWEEN = auto()
    """Nor are they here, and this one's lie between them, so that it is one of Clarke's."""
    STEEP = auto()
    """One of them is infinite."""
    JUMP = auto()
    """There is none, for the program's value jumps."""
    LOST = auto()
    """One on the way is 0 by rounding alone, so that it is not known."""
    UNKNOWN = auto()


# A step function may be on any of so many stairs, or units in the last place, of numbers too large to show which.
STAIRS = (0.0, 1.0, -1.0, 2.0**38, -(2.0**38))


class _JumpError(Exception):
    """The output has another limit to a side than its value at the point."""


def look(point: Point, traced: TracedTensor, gradient: Tensor) -> Sided:
    """Return what a program is by a tensor, beside a gradient by it; nothing is known where it may be on any stair."""
    trace = point.decomposition.trace
    if not _is_in_reach(trace, traced) or _hides_stairs(trace, traced):
        return Sided.UNKNOWN
    return _looked_at(point, traced, gradient)


def _hides_stairs(trace: Trace, traced: TracedTensor) -> bool:
    """Return whether an op jumps beside numbers too large for its stairs, or makes stairs of such that are rounded.

    What only makes stairs is level between jumps, however near the numbers next to it are to those.
    """
    hidden = list(hidden_steps_of(trace, traced))
    read = {operand for call in hidden for operand in call.inputs}
    jumps = any(call.op.kind is not Kind.CONSTANT for call in hidden)
    return jumps or (bool(read) and not read.isdisjoint(_rounded(trace, traced)))


def _rounded(trace: Trace, start: TracedTensor) -> set[TracedTensor]:
    """Return what a program makes of a tensor and its leaves that is rounded, or made of what is."""
    exact, rounded = exact_results(trace), set[TracedTensor]()
    for call in trace.calls:
        if not exact.issuperset(call.outputs) or not rounded.isdisjoint(call.inputs):
            rounded.update(one for one in call.outputs if one is not start)
    return rounded


def _looked_at(point: Point, traced: TracedTensor, gradient: Tensor) -> Sided:
    trace = point.decomposition.trace
    directions = _directions(traced.tensor.numel())
    try:
        with double_precision(), torch.no_grad():
            sides = uncompiled(lambda: _to_both_sides(point, traced, directions))
            steep = _is_steep(sides) and _is_steep(
                uncompiled(lambda: _to_both_sides(point, traced, SHORT * directions))
            )
        if any(vanishes(point, call, reached) for call, reached in _reached(trace, traced)):
            return Sided.LOST
    except _JumpError:
        return Sided.JUMP
    except (UnknownError, *REFUSALS):
        return Sided.UNKNOWN
    (ahead, error), (behind, further) = sides
    if _is_steep(sides):
        return Sided.STEEP if steep and bool(gradient.isfinite().all()) else Sided.UNKNOWN
    own = gradient.detach().cpu().reshape(-1).to(torch.float64)
    return _told(ahead, -behind, directions, own, scale=point.scale, error=max(error, further))


def _to_both_sides(point: Point, traced: TracedTensor, directions: Tensor) -> Sides:
    return [_slopes(point, traced, side) for side in (directions, -directions)]


def _is_steep(sides: Sides) -> bool:
    return any(bool(slopes.isinf().any()) for slopes, _ in sides)


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
    """Return whether a call may; what an equation defines may where that is singular: the least singular value at 0."""
    call = group.call
    known = call.discontinuities is not None or call.gap is not None or call.inner is not None
    return known or not all(map(is_real, call.outputs)) or any(map(_has_kinks, group.nodes))


def _has_kinks(node: Node) -> bool:
    return node.kinks is not None or any(edge.request.unknown is not None for edge in node.edges)


def _is_in_reach(trace: Trace, traced: TracedTensor) -> bool:
    """Return whether a program is small, in double precision, and all of it by calls that can be run again."""
    tensors = [*trace.leaves, *(output for call in trace.calls for output in call.outputs)]
    reals = {traced.tensor.dtype for traced in tensors if is_real(traced) or traced.tensor.is_complex()}
    return (
        trace.ran is None
        and len(trace.calls) <= MOST_CALLS
        and 0 < traced.tensor.numel() <= MOST_ENTRIES
        and all(tensor.tensor.numel() <= MOST_ENTRIES**2 for tensor in tensors)
        and reals == {torch.float64}
        and not any(call.gap is not None or call.inner is not None for call in trace.calls)
    )


def _directions(entries: int) -> Tensor:
    """Return the axes of a small tensor, all ones, and random directions, a row each."""
    axes = torch.eye(entries, dtype=torch.float64)
    if entries == 1:
        return axes
    return torch.cat(
        [axes[:MOST_AXES], torch.ones(1, entries, dtype=torch.float64), random_directions(RANDOM, entries)]
    )


def _told(ahead: Tensor, behind: Tensor, directions: Tensor, gradient: Tensor, *, scale: float, error: float) -> Sided:
    """Return what slopes to both sides of a point say of a gradient."""
    size = float(torch.cat([ahead, behind]).abs().amax())
    found = torch.linalg.lstsq(directions, ahead[:, None]).solution[:, 0]
    bent = max(largest(ahead - behind), largest(directions @ found - ahead))
    allowed = CLEARLY * error + ROUNDED * size + LEAST
    if bent > CLEARLY * allowed:
        granted = allowed + CLOSENESS * size  # for autograd's own rounding
        low, high = torch.minimum(ahead, behind) - granted, torch.maximum(ahead, behind) + granted
        own = directions @ gradient
        return Sided.BETWEEN if bool(((low <= own) & (own <= high)).all()) else Sided.KINK
    if bent > allowed:
        return Sided.UNKNOWN
    off = largest(directions @ gradient - ahead)
    if off <= max(SAME * size, ROUNDED * scale, LEAST):
        return Sided.SMOOTH
    return Sided.OTHER if off > max(DIFFERENT * size, DIFFERENT * largest(gradient), LEFT * scale) else Sided.UNKNOWN


def _slopes(point: Point, traced: TracedTensor, directions: Tensor) -> tuple[Tensor, float]:
    """Return the one-sided derivatives of the weighted output along each row, and how far off they may be.

    UnknownError where there is none.
    """
    found = torch.tensor(
        [[_slope_or_nan(point, traced, row, step) for row in directions] for step in NEXT], dtype=torch.float64
    )
    finite = found[:, found.isfinite().all(0)]
    size = largest(finite)
    if any(at_jumps_after(point.decomposition.trace, traced)):
        # A limit is the value next to the point, where a slope that is 0 in the limit is of the size of the step.
        size = max(size, point.scale)
    alike = (found[0] == found[1]) | ((found[0] - found[1]).abs() <= SAME * size)
    if not bool(alike.all()):  # another kink is near
        raise UnknownError
    return found[1], largest(finite[0] - finite[1])


def _slope_or_nan(point: Point, traced: TracedTensor, direction: Tensor, step: float) -> float:
    """Return one, NaN where it is not known: along another direction the program may be known to jump."""
    try:
        return _slope(point, traced, direction, step)
    except UnknownError:
        return math.nan


def _slope(point: Point, traced: TracedTensor, direction: Tensor, step: float) -> float:
    """Return one that is the same on whichever of the stairs that are hidden beside large numbers."""
    hidden = any(True for _ in hidden_steps_of(point.decomposition.trace, traced))
    found = [_on_stair(point, traced, direction, step, stair) for stair in (STAIRS if hidden else STAIRS[:1])]
    if found[0] is None and all(slope is None for slope in found):
        raise _JumpError
    if any(slope is None or not math.isclose(slope, found[0] or 0.0, rel_tol=CLOSENESS) for slope in found):
        raise UnknownError
    return found[0] or 0.0


def _on_stair(point: Point, traced: TracedTensor, direction: Tensor, step: float, stair: float) -> float | None:
    """Return one so many stairs off where these are hidden; None where the program jumps."""
    trace, cotangent = point.decomposition.trace, point.cotangent.cpu()
    start, tangent = traced.tensor.detach(), direction.reshape(traced.tensor.shape)
    further = start + FURTHER * torch.where(start == 0, 1.0, start.abs()) * tangent / largest(tangent)
    moving = Moving(point, step, traced, tangent, stair, further={traced: further})
    for group in point.decomposition.calls:
        if traced not in group.call.outputs:
            moving.through(group)
    if trace.output in moving.limits:
        jump = cotangent * (moving.limits[trace.output] - trace.output.tensor.detach())
        seen = not moving.is_doubtful or float(jump.abs().amax()) > JUMP * largest(trace.output.tensor)
        if not seen:
            raise UnknownError
        return None
    slope = moving.tangents.get(trace.output)
    return 0.0 if slope is None else float((cotangent * slope).sum())
