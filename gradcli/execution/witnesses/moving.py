"""A run of a program along a direction, call by call: the slopes of its tensors, and what jumps, or is decided anew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradcli.execution.comparison.absorbed_jumps import hidden_changes
from gradcli.execution.comparison.nonfinite import at_jump
from gradcli.execution.comparison.rounding import Point
from gradcli.execution.comparison.slopes_of_calls import (
    Tangents,
    breaks,
    forward,
    is_real,
    is_repeated,
    largest,
    still,
    terms,
)
from gradcli.execution.comparison.vanishing import definitions_factor
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.execution.reference.decomposition import DecomposedCall
from gradcli.execution.witnesses.kinks_of_calls import is_at_kink, kinks_of
from gradcli.execution.witnesses.line import EPSILON
from gradcli.execution.witnesses.nearing import UnknownError, slopes_nearing
from gradcli.execution.witnesses.steps_of_calls import (
    allowed_of,
    may_underflow,
    next_numbers,
    on_other_stairs,
    relative_speeds,
    sizes_of_steps,
)
from gradcli.ops.record import Kind

# Slopes are what rounding leaves if they are no more than this part of the terms that they are the sum of.
CANCELLED = 8 * EPSILON
# A call changes by no more than this, relative to its operands, by rounding, and visibly by so many times that.
ROUNDING, VISIBLE = 8 * EPSILON, 1e3
# What jumps by no more than this part of what it is made of may be what rounding left; by what first order says within
# this part, and so many units in the last place, it is none.
JUMP, PASSED, ULPS = 1e-6, 0.1, 16.0
# An entry that goes less than this part of what the fastest goes may stay where it is.
SLOW = 1e-6
# A derivative that is 0 but for rounding is larger so far from the point, relative to the entries, by this factor.
BESIDE, RESIDUE = 2.0**-10, 2.0**-40
# Squares of larger numbers are infinite.
OVERFLOW = 2.0**500


@dataclass(slots=True)
class Moving:
    """A run along a direction: the slopes of its tensors, and those that do not go to their value at the point."""

    point: Point
    step: float
    start: TracedTensor
    direction: Tensor
    stair: float = 0.0
    """How many stairs off step functions are taken to be where no number shows which it is."""
    tangents: Tangents = field(init=False)
    limits: Tangents = field(default_factory=dict)
    """What is decided otherwise next to the point, and what jumps, with what it is there."""
    further: Tangents = field(default_factory=dict)
    """What depends on it, a little further on: be it that it has no slope, it moves."""
    is_doubtful: bool = False
    """Whether something jumps by so little, beside what it is made of, that it may be what rounding left."""

    def __post_init__(self) -> None:
        """Set the slope of the tensor that moves."""
        self.tangents = {self.start: self.direction}

    def through(self, group: DecomposedCall) -> None:
        """Go on through one call."""
        call = group.call
        if any(traced in self.further for traced in call.inputs) and self._is_steep_further_on(group):
            for traced, tangent in self._nearing(call).items():
                self._note(traced, tangent)
            return
        if not any(traced in self.tangents or traced in self.limits for traced in call.inputs):
            return
        own = {traced: self.limits.get(traced, traced.tensor.detach()) for traced in call.inputs}
        beside = any(is_real(traced) for traced in call.inputs if traced in self.limits)
        steps, ends = call.op.kind is Kind.CONSTANT, self._may_end(call)
        bends = beside or ends or is_at_kink(group) or at_jump(call)
        there = steps or bends or not all(map(is_real, call.outputs))
        moved = own | self._moved(call, own, kinks_of(group)) if there else own
        otherwise = any(traced in self.limits for traced in call.inputs)
        if there or otherwise:
            self._find_limits(call, own, moved, is_moved=steps or at_jump(call))
        if not steps and any(map(is_real, call.outputs)):
            self._push(call, moved if bends else own, at_point=not (bends or otherwise))

    def _is_steep_further_on(self, group: DecomposedCall) -> bool:
        """Run a call a little further on, and return whether it is infinitely steep by what moves without a slope.

        The root of x² has slopes at 0 that the chain rule does not know. UnknownError where it jumps by such.
        """
        call = group.call
        own = {traced: traced.tensor.detach() for traced in call.inputs}
        idle = [traced for traced in call.inputs if traced in self.further and self._is_idle(traced)]
        if idle and at_jump(call):
            raise UnknownError
        steep = bool(idle) and not is_at_kink(group) and self._is_steep(call, own, idle)
        results = call.run(own | {traced: self.further[traced] for traced in call.inputs if traced in self.further})
        if idle and any(self._is_decided(one) and not torch.equal(results[one], one.tensor) for one in call.outputs):
            raise UnknownError  # by what moves without a slope
        self.further |= {traced: results[traced] for traced in call.outputs}
        return steep

    def _is_decided(self, traced: TracedTensor) -> bool:
        """Return whether a result has no slopes, and the program reads it: not the indices of a minimum."""
        return not is_real(traced) and any(traced in call.inputs for call in self.point.decomposition.trace.calls)

    def _nearing(self, call: TracedCall) -> Tangents:
        """Return the slopes of a call's results by what they are nearer and nearer to the point."""
        if any(traced in self.limits for traced in call.inputs):
            raise UnknownError
        return slopes_nearing(self.point.decomposition.trace, call, self.start, self.direction)

    def _note(self, traced: TracedTensor, tangent: Tensor) -> None:
        """Note the slopes of a result, unless they are 0; UnknownError where one is not a number."""
        if bool(tangent.isnan().any()):
            raise UnknownError
        if bool((tangent != 0).any()):
            self.tangents[traced] = tangent

    def _is_idle(self, traced: TracedTensor) -> bool:
        return is_real(traced) and bool(self._idle(traced).any())

    def _idle(self, traced: TracedTensor) -> Tensor:
        """Return which entries move away from their limits without a slope; not those that are no numbers there."""
        slope = self.tangents.get(traced, torch.zeros_like(traced.tensor))
        limit = self.limits.get(traced, traced.tensor.detach())
        return (self.further[traced] != limit) & (slope == 0) & ~limit.isnan()

    def _is_steep(self, call: TracedCall, own: Tangents, idle: Sequence[TracedTensor]) -> bool:
        """Return whether a call has slopes that are not finite by such entries."""
        units = {traced: self._idle(traced).to(torch.float64) for traced in idle}
        return any(not bool(slope.isfinite().all()) for _, slope in forward(call, own, units))

    def _may_end(self, call: TracedCall) -> bool:
        """Return whether a result is NaN a little further on: x**1.5 at 0, which a program may yet decide by."""
        found = (traced for traced in call.outputs if traced in self.further and is_real(traced))
        return any(bool((self.further[traced].isnan() & ~traced.tensor.isnan()).any()) for traced in found)

    def _moved(self, call: TracedCall, own: Tangents, kinks: Tensor | None) -> Tangents:
        """Return the operands that move, next to where they are: each entry relative to its size.

        UnknownError where one that ties with its like does not; away from `kinks` it is where it is, which will do.
        """
        moving = [traced for traced in call.inputs if traced in self.tangents]
        fastest = max((largest(self.tangents[traced]) for traced in moving), default=0.0)
        if not math.isfinite(fastest):
            raise UnknownError
        if len(moving) == 1 and call.op.kind is Kind.CONSTANT:
            return {moving[0]: next_numbers(call, own[moving[0]], self.tangents[moving[0]])}
        moved = {}
        speeds = relative_speeds(call, {traced: self.tangents[traced] for traced in moving}, fastest)
        for traced, size in sizes_of_steps(call, own, self.tangents) if fastest else ():
            value, speed = own[traced], speeds[traced]
            moved[traced] = value + self.step * size * speed
            stays = (moved[traced] == value) & (speed.abs() > SLOW)
            stays = stays & kinks if kinks is not None and kinks.shape == stays.shape else stays
            if call.op.kind is not Kind.CONSTANT and bool(stays.any()):  # what is compared ties with its like
                raise UnknownError
        if moved and may_underflow(call, own, moved, self.tangents):
            raise UnknownError
        return moved

    def _find_limits(self, call: TracedCall, own: Tangents, moved: Tangents, *, is_moved: bool) -> None:
        """Note the results that are others to this side: integers by operands next to it, numbers by their limits."""
        number = self.point.decomposition.trace.calls.index(call)
        beside = on_other_stairs(call, call.run(moved), self.tangents, self.stair, number)
        limits = beside if is_moved else call.run(own)
        for traced in call.outputs:
            before = traced.tensor.detach()
            if not is_real(traced):
                if not torch.equal(beside[traced], before):
                    self.limits[traced] = beside[traced]
                continue
            far = any(largest(one) > OVERFLOW for one in moved.values() if one.is_floating_point())
            if far and bool((beside[traced].isinf() & before.isfinite()).any()):
                raise UnknownError
            allowed = allowed_of(self.step, call, before, is_moved=is_moved)
            limit = torch.where(beside[traced].isnan(), beside[traced], limits[traced])  # a domain may end here
            if not bool(((limit == before) | ((limit - before).abs() <= allowed)).all()):
                self.is_doubtful |= not self._is_clear(call, traced, limit)
                self.limits[traced] = limit
            elif not is_moved and self._passes_on(call, traced, limit):
                self.limits[traced] = limit
            elif not is_moved and self._is_absorbed(call, traced, allowed):
                raise UnknownError

    def _is_clear(self, call: TracedCall, result: TracedTensor, limit: Tensor) -> bool:
        """Return whether a result jumps by far more than rounding leaves of jumps that cancel, or of equal branches."""
        before, jumps = result.tensor.detach(), self._jumps(call)
        size = before.abs().maximum(limit.abs())
        if jumps:
            size = size.maximum(terms(call, {t: t.tensor.detach() for t in call.inputs}, jumps)[result])
        return bool(((limit == before) | ((limit - before).abs() > JUMP * size)).all())

    def _passes_on(self, call: TracedCall, result: TracedTensor, limit: Tensor) -> bool:
        """Return whether a result jumps as its operands do, be it little beside the result: 1e14 + floor(x) by 1."""
        jumps, own = self._jumps(call), {traced: traced.tensor.detach() for traced in call.inputs}
        if not jumps:
            return False
        change, passed = dict(forward(call, own, jumps))[result], limit - result.tensor.detach()
        least = (JUMP * terms(call, own, jumps)[result]).maximum(ULPS * EPSILON * result.tensor.detach().abs())
        return bool(((change.abs() > least) & ((passed - change).abs() <= PASSED * change.abs())).any())

    def _jumps(self, call: TracedCall) -> Tangents:
        """Return the operands that jump, with how far."""
        return {t: self.limits[t] - t.tensor.detach() for t in call.inputs if t in self.limits and is_real(t)}

    def _is_absorbed(self, call: TracedCall, result: TracedTensor, allowed: Tensor | float) -> bool:
        """Return whether a result stays the same by rounding alone where an operand jumps: 1e17 + floor(x) does.

        To first order it changes then, by no more than its rounding: by PyTorch's derivative, or by the definition's,
        as that of sigmoid at 40 is lost in PyTorch; or by its slope on the way, as that of hypot(x, 1e9) is 0 at 0. The
        one of cos at pi is rounding itself: far larger next to it.
        """
        jumps = self._jumps(call)
        if not jumps:
            return False
        own = {traced: traced.tensor.detach() for traced in call.inputs}
        beside = {traced: own[traced] * (1 + BESIDE) for traced in jumps}
        change, further = (dict(forward(call, at, jumps))[result].abs() for at in (own, own | beside))
        sizes = {t: torch.where(jump == 0, 0.0, own[t].abs() + jump.abs()) for t, jump in jumps.items()}
        change = change.maximum(self._defined(call, jumps, change))
        lost = (RESIDUE * further).maximum(CANCELLED * terms(call, own, sizes)[result])
        if bool(((change > lost) & (change <= allowed)).any()):
            return True
        limits = {traced: self.limits[traced] for traced in jumps}
        found = (change for one, change in hidden_changes(call, own, limits) if one is result)
        return any(bool(((change > 0) & (change <= allowed)).any()) for change in found)

    def _defined(self, call: TracedCall, tangents: Tangents, like: Tensor) -> Tensor:
        """Return the size of a pointwise call's slopes by its definition at the point; 0 where they are not known."""
        found = torch.zeros_like(like)
        for traced, tangent in tangents.items() if call.op.kind is Kind.POINTWISE else ():
            factor = definitions_factor(self.point, call, traced)
            if factor is None or factor.shape != like.shape or not bool(factor.isfinite().all()):
                return torch.zeros_like(like)
            found = found + factor * tangent
        return found.abs()

    def _push(self, call: TracedCall, values: Tangents, *, at_point: bool) -> None:
        """Note the slopes of a call's results; UnknownError where one is not a number.

        Where they are 0 `at_point`, those of the definition count: PyTorch may have lost them.
        """
        moving = {traced: self.tangents[traced] for traced in call.inputs if traced in self.tangents}
        if not moving:
            return
        sizes, slopes = terms(call, values, moving), list(forward(call, values, moving))
        if at_point and call.op.kind is Kind.COMPOSITE and breaks(call, values, moving, dict(slopes), self.step):
            raise UnknownError
        for traced, found in slopes:
            tangent = torch.where(found.isfinite() & (found.abs() <= CANCELLED * sizes[traced]), 0.0, found)
            tangent = self._with_lost(call, moving, found, tangent) if at_point else tangent
            tangent = torch.where(torch.as_tensor(still(call, moving, found)), 0.0, tangent)
            tangent = tangent.masked_fill(self.limits.get(traced, traced.tensor.detach()).isnan(), 0.0)
            tangent = tangent if at_point else torch.where(self._is_rounding(call, values, traced), 0.0, tangent)
            if bool(tangent.isnan().any()):
                tangent = torch.where(tangent.isnan(), self._nearing(call)[traced], tangent)
            self._note(traced, tangent)

    def _is_rounding(self, call: TracedCall, moved: Tangents, result: TracedTensor) -> Tensor:
        """Return where the slope next to the point is that of rounding: a call's own results change by no more.

        The standard deviation of equal numbers is 0 but for rounding, whose gradient is as large as any.
        """
        own = {traced: self.limits.get(traced, traced.tensor.detach()) for traced in call.inputs}
        ways = {traced: moved[traced] - own[traced] for traced in call.inputs if traced in self.tangents}
        if call.op.kind is Kind.POINTWISE or not any(map(largest, ways.values())):
            return torch.zeros_like(result.tensor, dtype=torch.bool)
        rounding = ROUNDING * max(largest(moved[traced]) for traced in ways)
        change = (call.run(moved)[result] - call.run(own)[result]).abs()
        expected = dict(forward(call, moved, ways))[result].abs()
        return (change <= rounding) & (expected > VISIBLE * rounding)

    def _with_lost(self, call: TracedCall, moving: Tangents, found: Tensor, tangent: Tensor) -> Tensor:
        """Return the slopes of a pointwise call of one operand with its definition's in the place of zeros."""
        (traced, *others) = moving
        if call.op.kind is not Kind.POINTWISE or others or is_repeated(call, traced) or not bool((found == 0).any()):
            return tangent
        factor = definitions_factor(self.point, call, traced)
        if factor is None or factor.shape != found.shape:
            return tangent
        return torch.where(found == 0, (factor * moving[traced]).nan_to_num(0.0, 0.0, 0.0), tangent)
