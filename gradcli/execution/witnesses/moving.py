"""A run of a program along a direction, call by call: the slopes of its tensors, and what jumps, or is decided anew."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradcli.execution.comparison.absorbed_jumps import hidden_changes
from gradcli.execution.comparison.nonfinite import at_jump, discontinuities
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
from gradcli.execution.forward.overlapping import is_entrywise
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.execution.reference.decomposition import DecomposedCall
from gradcli.execution.reference.layout import broadcast
from gradcli.execution.witnesses.grain import LARGEST_WITH_STAIRS
from gradcli.execution.witnesses.line import EPSILON
from gradcli.execution.witnesses.quotients import UNDERFLOW
from gradcli.ops.record import Kind

# Results are the same within this, relative to the largest.
ROUNDED = 1e-12
# Slopes are what rounding leaves if they are no more than this part of the terms that they are the sum of.
CANCELLED = 8 * EPSILON
# An entry that goes less than this part of what the fastest goes may stay where it is.
SLOW = 1e-6
# What is continuous changes by no more than this many times a step, relative to its size.
FAR = 2.0**12
# A derivative that is 0 but for rounding is larger so far from the point, relative to the entries, by this factor.
BESIDE, RESIDUE = 2.0**-10, 2.0**-40
# Squares of larger numbers are infinite.
OVERFLOW = 2.0**500


class UnknownError(Exception):
    """A one-sided derivative is not a number, or rounding hides what is next to the point."""


@dataclass(slots=True)
class Moving:
    """A run along a direction: the slopes of its tensors, and those that do not go to their value at the point."""

    point: Point
    step: float
    tangents: Tangents
    limits: Tangents = field(default_factory=dict)
    """What is decided otherwise next to the point, and what jumps, with what it is there."""
    further: Tangents = field(default_factory=dict)
    """What depends on it, a little further on: be it that it has no slope, it moves."""

    def through(self, group: DecomposedCall) -> None:
        """Go on through one call."""
        call = group.call
        if any(traced in self.further for traced in call.inputs):
            self._go_further(group)
        if not any(traced in self.tangents or traced in self.limits for traced in call.inputs):
            return
        own = {traced: self.limits.get(traced, traced.tensor.detach()) for traced in call.inputs}
        beside = any(is_real(traced) for traced in call.inputs if traced in self.limits)
        steps, ends = call.op.kind is Kind.CONSTANT, self._may_end(call)
        bends = beside or ends or _is_at_kink(group) or at_jump(call)
        there = steps or bends or not all(map(is_real, call.outputs))
        moved = own | self._moved(call, own, _kinks(group)) if there else own
        otherwise = any(traced in self.limits for traced in call.inputs)
        if there or otherwise:
            self._find_limits(call, own, moved, is_moved=steps or at_jump(call))
        if not steps and any(map(is_real, call.outputs)):
            self._push(call, moved if bends else own, at_point=not (bends or otherwise))

    def _go_further(self, group: DecomposedCall) -> None:
        """Run a call a little further on; UnknownError where it is infinitely steep by what moves without a slope.

        The root of x² has slopes at 0 that the chain rule does not know.
        """
        call = group.call
        own = {traced: traced.tensor.detach() for traced in call.inputs}
        idle = [traced for traced in call.inputs if traced in self.further and self._is_idle(traced)]
        if idle and (at_jump(call) or (not _is_at_kink(group) and self._is_steep(call, own, idle))):
            raise UnknownError
        results = call.run(own | {traced: self.further[traced] for traced in call.inputs if traced in self.further})
        if idle and any(not is_real(one) and not torch.equal(results[one], one.tensor) for one in call.outputs):
            raise UnknownError  # it is decided by what moves without a slope
        self.further |= {traced: results[traced] for traced in call.outputs}

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
            return {moving[0]: _next(call, own[moving[0]], self.tangents[moving[0]])}
        moved = {}
        speeds = _speeds(call, {traced: self.tangents[traced] for traced in moving}, fastest)
        for traced, size in _sizes(call, own, self.tangents) if fastest else ():
            value, speed = own[traced], speeds[traced]
            if call.op.kind is Kind.COMPOSITE and bool((size < UNDERFLOW).any()):
                raise UnknownError
            moved[traced] = value + self.step * size * speed
            stays = (moved[traced] == value) & (speed.abs() > SLOW)
            stays = stays & kinks if kinks is not None and kinks.shape == stays.shape else stays
            if call.op.kind is not Kind.CONSTANT and bool(stays.any()):  # what is compared ties with its like
                raise UnknownError
        return moved

    def _find_limits(self, call: TracedCall, own: Tangents, moved: Tangents, *, is_moved: bool) -> None:
        """Note the results that are others to this side: integers by operands next to it, numbers by their limits."""
        beside = call.run(moved)
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
            allowed = _allowed(self.step, call, before, is_moved=is_moved)
            limit = torch.where(beside[traced].isnan(), beside[traced], limits[traced])  # a domain may end here
            if not bool(((limit == before) | ((limit - before).abs() <= allowed)).all()):
                self.limits[traced] = limit
            elif not is_moved and self._is_absorbed(call, traced, allowed):
                raise UnknownError

    def _is_absorbed(self, call: TracedCall, result: TracedTensor, allowed: Tensor | float) -> bool:
        """Return whether a result stays the same by rounding alone where an operand jumps: 1e17 + floor(x) does.

        To first order it changes then, by no more than its rounding: by PyTorch's derivative, or by the definition's,
        as that of sigmoid at 40 is lost in PyTorch; or by its slope on the way, as that of hypot(x, 1e9) is 0 at 0. The
        one of cos at pi is rounding itself: far larger next to it.
        """
        jumps = {t: self.limits[t] - t.tensor.detach() for t in call.inputs if t in self.limits and is_real(t)}
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
            if bool(tangent.isnan().any()):
                raise UnknownError
            if bool((tangent != 0).any()):
                self.tangents[traced] = tangent

    def _with_lost(self, call: TracedCall, moving: Tangents, found: Tensor, tangent: Tensor) -> Tensor:
        """Return the slopes of a pointwise call of one operand with its definition's in the place of zeros."""
        (traced, *others) = moving
        if call.op.kind is not Kind.POINTWISE or others or is_repeated(call, traced) or not bool((found == 0).any()):
            return tangent
        factor = definitions_factor(self.point, call, traced)
        if factor is None or factor.shape != found.shape:
            return tangent
        return torch.where(found == 0, (factor * moving[traced]).nan_to_num(0.0, 0.0, 0.0), tangent)


def _next(call: TracedCall, value: Tensor, tangent: Tensor) -> Tensor:
    """Return the numbers next to some; UnknownError where a step function jumps at some that have none near enough."""
    if call.discontinuities is not None:
        jumps = discontinuities(call) & (tangent != 0) & (value.abs() > LARGEST_WITH_STAIRS)
        if bool(jumps.any()):
            raise UnknownError
    return torch.where(tangent == 0, value, torch.nextafter(value, tangent.sign() * torch.inf))


def _allowed(step: float, call: TracedCall, before: Tensor, *, is_moved: bool) -> Tensor | float:
    """Return how far a result may be from what it was before, and be no jump: a step function is exact."""
    if call.op.kind is Kind.CONSTANT:
        return 0.0
    if is_moved:
        return step * FAR * (largest(before) or 1.0)
    return ROUNDED * (before.abs() if call.op.kind is Kind.POINTWISE else largest(before))


def _is_at_kink(group: DecomposedCall) -> bool:
    return any(bool(node.kinks().any()) for node in group.nodes if node.kinks is not None)


def _kinks(group: DecomposedCall) -> Tensor | None:
    """Return which entries of a pointwise call are at a kink; None where they are not known one by one."""
    call, masks = group.call, [node.kinks() for node in group.nodes if node.kinks is not None]
    if call.op.kind is not Kind.POINTWISE or at_jump(call) or len(masks) != 1:
        return None
    return masks[0]


def _speeds(call: TracedCall, tangents: Tangents, fastest: float) -> Tangents:
    """Return how fast the operands' entries go: relative to the fastest that they are read with.

    These are the operands' entries at its place if the call is one entry by entry: 1 beside 1e17 has to move too.
    """
    shapes = {tuple(tangent.shape) for tangent in tangents.values()}
    alone = is_entrywise(call.op.name) and shapes == {tuple(traced.tensor.shape) for traced in call.outputs}
    if not alone or not fastest:
        return {traced: tangent / (fastest or 1.0) for traced, tangent in tangents.items()}
    most = torch.stack([tangent.abs() for tangent in tangents.values()]).amax(0)
    return {traced: tangent / most.where(most > 0, 1.0) for traced, tangent in tangents.items()}


def _sizes(call: TracedCall, own: Tangents, tangents: Tangents) -> Iterator[tuple[TracedTensor, Tensor]]:
    """Yield the operands that move with what each entry's step is relative to: the smallest number it is read with.

    These are the operands' entries at its place; where the operands have no places in common, all of them. A 0 that
    stays where it is sets no scale beside a number.
    """
    reals = {traced: own[traced] for traced in call.inputs if is_real(traced)}
    shape = broadcast([tuple(tensor.shape) for tensor in reals.values()])
    together = all(tensor.shape in {torch.Size(shape), torch.Size([])} for tensor in reals.values())
    smallest = _smallest(reals.values())
    sizes = [
        _scale(tensor, tangents.get(traced), smallest).expand(shape) for traced, tensor in reals.items() if together
    ]
    for traced in (traced for traced in call.inputs if traced in tangents):
        if not together:
            yield traced, torch.full_like(own[traced], smallest)
            continue
        least = torch.stack(sizes).amin(0)
        least = least.where(least.isfinite(), smallest)
        yield traced, least if own[traced].shape == least.shape else least.amin()


def _scale(tensor: Tensor, tangent: Tensor | None, smallest: float) -> Tensor:
    """Return the sizes of entries; of a 0, that of the smallest, or none at all if it does not move or is no number."""
    moves = torch.zeros_like(tensor) if tangent is None else tangent
    zero = torch.where(moves == 0, torch.inf, smallest)
    return torch.where(tensor == 0, zero, tensor.abs()).nan_to_num(torch.inf, torch.inf)


def _smallest(tensors: Iterable[Tensor]) -> float:
    sizes = torch.cat([tensor.abs().reshape(-1) for tensor in tensors])
    sizes = sizes[(sizes > 0) & sizes.isfinite()]
    return min(1.0, float(sizes.amin())) if sizes.numel() else 1.0
