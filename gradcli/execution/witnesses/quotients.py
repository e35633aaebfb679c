"""Derivatives of a function along directions by difference quotients, with an estimate of how far off they may be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.execution.forward.dtypes import double
from gradcli.execution.witnesses.grain import LEAST
from gradcli.execution.witnesses.line import EPSILON, Line, random_directions, real

# Relative step of the differences; where its estimated error is too large, ones 64 times smaller are tried in turn.
STEPS, SHORTER = (2.0**-9, 2.0**-15, 2.0**-21, 2.0**-27), 2.0**6
# Where an entry is smaller than this, relative to the scale of these steps, they are also taken relative to the entry:
# they show a function that bends within them, whatever longer ones seem to be good for.
SMALL = 2.0**-6
# A staircase looks like its slope to steps that are longer than its own: where there may be one, these are shorter.
FINE = 2.0**-18
# Nothing is seen of a function whose changes are no larger than this many times their rounding, where that is no longer
# small beside the function: it may do anything in between.
LOST, COARSE = 8.0, 2.0**-32
# The square of what is smaller is less than any number.
UNDERFLOW = 2.0**-500
# Estimates are of two different slopes where they are this many times further apart than their errors.
APART = 10.0
GOOD = 1e-8
# Where quotients move further with each shorter step, their limit may be off by so many times the last move, or by
# anything where that is more than this part of them.
RISING, MOSTLY = 4.0, 0.1
# Where each move is more than this part of the one before, the error is of a lower order than the first, as that of
# x**1.5 is, which no extrapolation by whole orders takes out: it is what moves of that ratio add up to, or of the last.
SLOW, SLOWEST = 0.55, 0.95
# Where only the first derivative is continuous the error is of first order in the step, and 14 times the last
# correction: `SAFETY` times this many, by which an error is allowed to be off, cover it.
FIRST_ORDER = 2.0
# A gradient with more entries, or one that takes more work in all, is looked at along random directions.
MOST_ENTRIES = 4096
MOST_WORK = 1 << 24
PROJECTIONS = 16
FEW = 4


@dataclass(frozen=True, slots=True)
class Quotients:
    """Derivatives of L along some directions; one number each in every field."""

    value: Tensor
    error: Tensor
    """An estimate of how far off `value` may be."""
    below: Tensor
    above: Tensor
    """The one-sided derivatives."""
    sided_error: Tensor
    """An estimate of how far off these two may be."""
    magnitude: Tensor
    """The size of the terms that L is a sum of, for a step of 1 relative to what it moves."""
    directions: Tensor | None = None
    """A row each; None where each entry is a direction."""

    def of(self, gradient: Tensor) -> Tensor:
        """Return what a gradient says these derivatives are."""
        flat = real(double(gradient)).reshape(-1)
        return flat if self.directions is None else self.directions @ flat


def by_entries(line: Line) -> Quotients:
    """Return central differences, extrapolated by Richardson.

    Every entry of a small tensor is stepped; a large one is stepped along PROJECTIONS random directions of a fixed
    seed.
    """
    entries = line.start.numel()
    if entries <= MOST_ENTRIES and entries * (line.work + line.on_the_way) <= MOST_WORK:
        return _quotients(line, None, entries)
    return along(line, random_directions(PROJECTIONS, entries))


def by_few_directions(line: Line) -> Quotients:
    """Return the same along few directions, where each evaluation takes long; of few entries along each."""
    entries = line.start.numel()
    return by_entries(line) if entries <= FEW else along(line, random_directions(FEW, entries))


def along(line: Line, directions: Tensor) -> Quotients:
    """Return central differences along each row of directions."""
    return _quotients(line, directions, len(directions))


def _quotients(line: Line, directions: Tensor | None, count: int) -> Quotients:
    """Return the quotients along each direction, with smaller steps where larger ones are not good enough."""
    every, best = torch.arange(count), _nowhere(count)
    if line.grain.hides_steps:
        return _of_columns(best, line, directions)
    _refine(line, directions, every, line.scale(directions, every), best)
    local = line.local(directions, every)
    best[[[1], [4]], local < LEAST] = math.inf
    if line.grain.has_steps:
        _forget_stairs(line, directions, local, best)
        local = local.minimum(FINE * line.scale(directions, every))
    small = every[local < SMALL * line.scale(directions, every)]
    if len(small):
        near = _nowhere(count)
        _refine(line, directions, small, local[small], near)
        _prefer_nearer(best, near, underflows=local < UNDERFLOW)
    return _of_columns(best, line, directions)


def _of_columns(best: Tensor, line: Line, directions: Tensor | None) -> Quotients:
    magnitude = line.magnitude / line.scale(directions, torch.arange(best.shape[1]))
    return Quotients(best[0], best[1], best[2], best[3], best[4], magnitude, directions)


def _forget_stairs(line: Line, directions: Tensor | None, local: Tensor, best: Tensor) -> None:
    """Forget quotients beside numbers so large that no step which is short enough to show a stair moves them."""
    hidden = EPSILON * line.entries(directions, torch.arange(len(local))) > STEPS[0] * local
    best[1, hidden] = best[4, hidden] = math.inf


def _nowhere(count: int) -> Tensor:
    """Return a column for each direction of which nothing is known: value, error, below, above, sided error."""
    unknown = torch.full((5, count), math.nan, dtype=torch.float64)
    unknown[[1, 4]] = math.inf
    return unknown


def _refine(line: Line, directions: Tensor | None, rows: Tensor, scale: Tensor, best: Tensor) -> None:
    """Put the best quotients along some directions in their columns, by smaller steps as long as these are not good."""
    for step in STEPS:
        if not len(rows):
            break
        extrapolated = _extrapolated(line, directions, rows, step * scale)
        extrapolated[[[1], [4]], is_no_step(line, directions, rows, step * scale / 4)] = math.inf
        apart = (extrapolated[0] - best[0, rows]).abs() > APART * (extrapolated[1] + best[1, rows])
        better = apart | ~(extrapolated[1] >= best[1, rows])
        best[:, rows[better]] = extrapolated[:, better]
        largest = best[0][best[0].isfinite()].abs().max() if bool(best[0].isfinite().any()) else torch.tensor(0.0)
        floor = GOOD * max(float(largest), EPSILON * line.magnitude)
        next_rounding = SHORTER * _rounding(line, step * scale)  # the next error is no smaller than this
        unsure = ~(best[1, rows] <= floor) & (next_rounding < best[1, rows])
        rows, scale = rows[unsure], scale[unsure]


def is_no_step(line: Line, directions: Tensor | None, rows: Tensor, shortest: Tensor) -> Tensor:
    """Return where steps are lost beside the numbers that they should move: a function does not change by those."""
    return EPSILON * line.entries(directions, rows) > shortest


def _prefer_nearer(best: Tensor, near: Tensor, underflows: Tensor) -> None:
    """Put quotients of shorter steps in the place of others where they are better, or of a different slope.

    A derivative is what the shorter ones say, as far as they tell: where the squares of steps underflow, none is 0 that
    is not 0 by longer ones, too.
    """
    value, error, below, above, _ = near - best
    allowed = APART * (near + best)
    apart = (value.abs() > allowed[1]) | (torch.maximum(below.abs(), above.abs()) > allowed[4])
    nearer = near[1].isfinite() & (apart | (error < 0))
    lost = nearer & underflows & (near[[0, 2, 3]] == 0).all(0) & (best[[0, 2, 3]] != 0).any(0)
    best[:, nearer] = near[:, nearer]
    best[:, lost] = _nowhere(int(lost.sum()))


def _extrapolated(line: Line, directions: Tensor | None, rows: Tensor, step: Tensor) -> Tensor:
    """Return value, error, the derivatives from below and above, and theirs, by steps of 1, 1/2 and 1/4 to both sides.

    Richardson's table in h² for central and in h for one-sided differences; the error is the last correction, and
    the rounding error of the shortest step: of the function's values, and of the point that it was moved to.
    """
    fractions = torch.tensor([1.0, 0.5, 0.25, -1.0, -0.5, -0.25], dtype=torch.float64)
    steps = step[:, None] * fractions
    changes = line.changes(directions, rows, steps)
    quotients = changes / steps
    above, below = quotients[:, :3].T, quotients[:, 3:].T
    central = (above + below) / 2
    value, correction = _limit(central, 4.0)
    (low, low_correction), (high, high_correction) = _limit(below, 2.0), _limit(above, 2.0)
    moved = EPSILON * (line.entries(directions, rows) + step) * quotients.abs().amax(1).nan_to_num(0.0, 0.0)
    rounding = _rounding(line, step, moved)
    rounding = rounding.masked_fill(_lost(line, changes), math.inf)
    error = (FIRST_ORDER * correction.abs() + rounding).nan_to_num(nan=math.inf, posinf=math.inf)
    sided_error = (low_correction.abs() + high_correction.abs() + 8 * rounding).nan_to_num(
        nan=math.inf, posinf=math.inf
    )
    further, sided_further = _further(central, rounding), _further(below, rounding) + _further(above, rounding)
    return torch.stack([value, error + further, low, high, sided_error + sided_further])


def _further(column: Tensor, rounding: Tensor) -> Tensor:
    """Return how far off the limit of three values may be beyond what its corrections say."""
    return _rising(column, rounding) + _slow(column, rounding)


def _rising(column: Tensor, rounding: Tensor) -> Tensor:
    """Return how far off the limit of three values may be where the last moves further than the one before.

    Something is beside the point that the steps are too long for: where it is most of what they see, they see nothing.
    """
    first, last = (column[1] - column[0]).abs(), (column[2] - column[1]).abs()
    off = torch.where(last > MOSTLY * column[2].abs(), math.inf, RISING * last)
    return torch.where((last > first) & (last > rounding), off, 0.0)


def _slow(column: Tensor, rounding: Tensor) -> Tensor:
    """Return how far off the limit of three values may be where the last moves hardly less than the one before."""
    first, last = (column[1] - column[0]).abs(), (column[2] - column[1]).abs()
    ratio = last / first
    rest = last * ratio.clamp(max=SLOWEST) / (1 - ratio.clamp(max=SLOWEST))
    return torch.where((ratio > SLOW) & (last > rounding), rest, 0.0)


def _rounding(line: Line, step: Tensor, moved: Tensor | float = 0.0) -> Tensor:
    """Return how far off rounding may move a quotient of the shortest steps, `moved` being that of the point."""
    return 4 * (line.rounding + moved) / (step / 4)


def _lost(line: Line, changes: Tensor) -> Tensor:
    """Return where nothing of a function is seen beside its rounding.

    Its size is that of its terms or, where it is 0, of what it changes by along any direction.
    """
    size = max(line.magnitude, float(changes.abs().nan_to_num(0.0, 0.0, 0.0).max()))
    if line.grain.noise <= COARSE * size:
        return torch.zeros(len(changes), dtype=torch.bool)
    return changes.abs().amax(1) <= LOST * line.rounding


def _limit(column: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
    """Return the limit of three values at h, h/2 and h/4 whose error begins with a power that `ratio` divides by."""
    first = (ratio * column[1] - column[0]) / (ratio - 1)
    second = (ratio * column[2] - column[1]) / (ratio - 1)
    further = ratio * 4 if ratio > 2 else ratio * 2  # noqa: PLR2004 (only even powers, or all)
    last = (further * second - first) / (further - 1)
    return last, last - second
