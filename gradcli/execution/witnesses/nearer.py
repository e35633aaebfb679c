"""A gradient beside difference quotients, and what is seen of a kink much nearer to the point."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.witnesses.grain import LEAST
from gradcli.execution.witnesses.line import EPSILON, Line
from gradcli.execution.witnesses.quotients import STEPS, Quotients, is_no_step

# How many times their estimated error quotients are allowed to be off.
SAFETY = 10.0
# Quotients whose error may be larger than this, relative to the gradient, say nothing; nor may it be relative to the
# terms of the output, where the gradient is as good as zero.
CLEAR, CLEAR_OF_OUTPUT = 1e-4, 1e-8
# One-sided derivatives are different where they are this far apart, relative to the gradient, beside their own error.
SIDED = 1e-7
# Derivatives so many times further apart than their error are different, though neither of them may be known well.
SHARP = 1000.0
# A kink is at the point, and not only near it, where the derivatives at steps of this length are as far apart.
TINY = 2.0**-34
# These steps are at most this part of the smallest entry that they move.
PART = 2.0**-6
# To see whether a kink is nearer still, a step is so long that rounding moves its quotient by a 20th of the kink.
VISIBLE, SIDES = 20.0, torch.tensor([1.0, -1.0], dtype=torch.float64)
# Nor is it shorter than so many units in the last place of what it moves.
ULPS = 64.0


@dataclass(frozen=True, slots=True)
class Compared:
    """A gradient's slopes beside quotients, along each of their directions."""

    claimed: Tensor
    quotients: Quotients
    granted: float
    size: float

    @property
    def wrong(self) -> Tensor:
        """Return where they differ by more than the quotients' own error, and what rounding is granted."""
        error = (self.claimed - self.quotients.value).abs()
        return ~((error <= SAFETY * self.quotients.error + self.granted) | (self.claimed == self.quotients.value))

    @property
    def between(self) -> Tensor:
        """Return where a gradient lies between the one-sided derivatives, as far as these are known."""
        low, high = (
            torch.minimum(self.quotients.below, self.quotients.above),
            torch.maximum(self.quotients.below, self.quotients.above),
        )
        own = SAFETY * self.quotients.sided_error + self.granted
        return (low - own <= self.claimed) & (self.claimed <= high + own)

    @property
    def unclear(self) -> Tensor:
        """Return where the quotients are not accurate enough to tell, and not the same to both sides exactly."""
        found = self.quotients
        exact = (self.claimed == found.value) & (found.above == found.value) & (found.below == found.value)
        return self._vague(found.error) & ~exact

    def _vague(self, error: Tensor) -> Tensor:
        own = SAFETY * error
        small = (own <= CLEAR * self.size) | (own <= CLEAR_OF_OUTPUT * self.quotients.magnitude)
        return ~(small & own.isfinite())

    @property
    def erratic(self) -> Tensor:
        """Return where the one-sided quotients do not converge."""
        return self._vague(self.quotients.sided_error)

    @property
    def kinked(self) -> Tensor:
        """Return where the one-sided derivatives differ."""
        apart = (self.quotients.above - self.quotients.below).abs()
        return apart > SAFETY * self.quotients.sided_error + SIDED * self.size + LEAST  # not where one is NaN

    @property
    def sharp(self) -> Tensor:
        """Return where they differ by much more than their error, be it that they converge slowly: those of x**1.5."""
        apart = (self.quotients.above - self.quotients.below).abs()
        return self.kinked & (apart > SHARP * self.quotients.sided_error) & self.quotients.error.isfinite()


@dataclass(frozen=True, slots=True)
class _Near:
    """Differences much nearer to the point along some rows: one-sided quotients, and what is known of them."""

    above: Tensor
    below: Tensor
    moving: Tensor
    """How far each side moved from a step 16 times as long: above, then below."""
    rounding: Tensor
    step: Tensor

    @property
    def sided_error(self) -> Tensor:
        """Return the error of the one-sided quotients."""
        return (self.moving.sum(0) + self.rounding).nan_to_num(nan=math.inf, posinf=math.inf)

    def is_lost(self, size: float) -> Tensor:
        """Return where nothing is known of these, beside a gradient of that size: longer steps may be too long."""
        return ~(SAFETY * self.sided_error <= CLEAR * size)

    def kinked(self, size: float) -> Tensor:
        """Return where these differ, beside a gradient of that size."""
        return (self.above - self.below).abs() > SAFETY * self.sided_error + SIDED * size


def closer_look(line: Line, compared: Compared, *, known: bool = False) -> Compared:
    """Return the comparison with what is seen much nearer to the point, where a kink is near it or seems to be.

    A kink within the steps taken so far is none at the point if both sides agree at much shorter ones; one-sided
    quotients that do not converge at longer steps may at these. Of a kink that may be as far away as the size of an
    entry, and is hidden in rounding nearer to it, nothing is known; that size being less than the last digit of the
    entry, it is the one that is `known`.
    """
    rows = (compared.kinked | compared.erratic).nonzero()[:, 0]
    if not len(rows):
        return compared
    found, kinked, near = compared.quotients, compared.kinked[rows], _nearer(line, compared, rows)
    apart, before = (near.above - near.below).abs(), (found.above - found.below).abs()[rows]
    smooth = kinked & (apart <= before / 10) & (near.rounding <= before / 10)
    visible = (VISIBLE * near.rounding * near.step / before).maximum(_resolved(line, found, rows))
    beside, side, side_error = _beside(line, compared, rows, near, visible.minimum(near.step))
    beside &= (kinked | near.kinked(compared.size)) & ~smooth
    middle = torch.where(beside, side, (near.above + near.below) / 2)
    off = torch.where(beside, side_error, near.rounding)
    denied = ~kinked & _denied(compared, rows, near)
    off = torch.where(denied, near.sided_error, off)
    smooth |= beside | denied
    lost = kinked | near.is_lost(compared.size)
    hidden = lost & ~smooth & _far(line, found, rows, visible, known=known)
    sided = smooth | (compared.erratic[rows] & (near.sided_error < found.sided_error[rows]))
    everything = torch.full_like(off, math.inf)
    closer = dataclasses.replace(
        found,
        value=_put(found.value, rows, smooth, middle),
        error=_put(_put(found.error, rows, smooth, off), rows, hidden, everything),
        below=_put(found.below, rows, sided, torch.where(beside, side, near.below)),
        above=_put(found.above, rows, sided, torch.where(beside, side, near.above)),
        sided_error=_put(_put(found.sided_error, rows, sided, near.sided_error), rows, hidden, everything),
    )
    return dataclasses.replace(compared, quotients=closer)


def _nearer(line: Line, compared: Compared, rows: Tensor) -> _Near:
    """Return the differences along some rows at steps as short as rounding lets them be of use."""
    directions = compared.quotients.directions
    step = (TINY * line.scale(directions, rows)).minimum(PART * line.local(directions, rows))
    step = step.clamp_min(min(8 * line.rounding / SIDED / compared.size, TINY)) if compared.size else step
    steps = step[:, None] * torch.tensor([1.0, -1.0, 16.0, -16.0], dtype=torch.float64)
    above, below, far_above, far_below = (line.changes(directions, rows, steps) / steps).T
    moving = torch.stack([(above - far_above).abs(), (below - far_below).abs()])
    rounding = (8 * line.rounding / step).masked_fill(is_no_step(line, directions, rows, step), math.inf)
    return _Near(above, below, moving, rounding, step)


def _resolved(line: Line, found: Quotients, rows: Tensor) -> Tensor:
    """Return the length of the shortest steps that move what they should, and show more than underflow."""
    return (ULPS * EPSILON * line.entries(found.directions, rows)).clamp_min(line.grain.finest)


def _denied(compared: Compared, rows: Tensor, near: _Near) -> Tensor:
    """Return where quotients at longer steps say something else, be they ever so sure: a kink is within those."""
    apart = ((near.above + near.below) / 2 - compared.quotients.value[rows]).abs()
    return apart > SAFETY * (compared.quotients.error[rows] + near.rounding) + SIDED * compared.size


def _beside(
    line: Line, compared: Compared, rows: Tensor, near: _Near, shorter: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return where a kink lies between two steps, and the one-sided quotient that it leaves alone, with its error."""
    found, steps = compared.quotients, shorter[:, None] * SIDES
    before = (found.above - found.below).abs()[rows]
    ahead, behind = (line.changes(found.directions, rows, steps) / steps).T
    middle = (ahead + behind) / 2
    is_above = (near.above - middle).abs() <= (near.below - middle).abs()
    side = torch.where(is_above, near.above, near.below)
    error = torch.where(is_above, near.moving[0], near.moving[1]) + near.rounding
    return (shorter < near.step) & ((ahead - behind).abs() <= before / 10), side, error


def _far(line: Line, found: Quotients, rows: Tensor, visible: Tensor, *, known: bool) -> Tensor:
    """Return where a kink may be as far away as the size of an entry, unless that is no digit of it and it is known."""
    local = line.local(found.directions, rows)
    far = local < (STEPS[-1] * line.scale(found.directions, rows)).minimum(visible)
    return far & ~(known & (EPSILON * line.entries(found.directions, rows) > local))


def _put(column: Tensor, rows: Tensor, chosen: Tensor, values: Tensor) -> Tensor:
    """Return a column with other values in the rows that are chosen."""
    return column.index_put((rows[chosen],), values[chosen])
