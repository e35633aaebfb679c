"""Where a function is not continuous, its change along a direction not vanishing with the step, or infinitely steep."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradcli.execution.witnesses.line import Line
from gradcli.report.notes import NoteKind, noted

JUMPS = noted(NoteKind.UNDEFINED, "the value of the program jumps here, so that there is no derivative")
STEEP = noted(NoteKind.UNDEFINED, "the slope of the program is infinite to one side, so that there is no derivative")
# Steps 2^-k, relative to the point; a jump lasts through the last LAST of them, a pole grows through as many of any.
EXPONENTS = range(12, 48, 4)
LAST = 5
# A staircase may have many stairs within all but the shortest of them: so its jumps are looked for by these, too.
STAIRS = range(40, 45)
# Much shorter ones, from a point that is 0: so far apart that two of them show a slope beside a jump of its own.
FAR_EXPONENTS = range(48, 1040, 16)
# Slopes that grow by no more than this are those of a tangent: of x·log x they grow by more than a hundredth.
LEVEL = 1.005
# Changes are those of one jump where they are this near to each other, and those of a pole where each is larger than
# the one before by this factor, for a step that is 16 times smaller.
ALIKE, GROWTH = 0.01, 4.0
# A change is no jump where the slope that is claimed makes this part of it on the shortest step.
STEEP_PART = 0.5
# A slope is infinite where each is larger than the one before by this factor, up to the last, and none is claimed.
STEEPER, CLAIMED = 1.5, 4.0
# So is that of x·log x, which grows by as much each time: by this part of the last growth, so many times its rounding.
STEADY, CLEARLY = 0.97, 20.0
# Beyond longer steps a program may overflow, whatever the slope; and by its numbers, if products of these do.
SHORT, SQUARES_OVERFLOW = 1.0, 2.0**500
# A change counts where it is this many times larger than the output's rounding error.
VISIBLE = 300.0


def jumping(line: Line, directions: Tensor, claimed: Tensor) -> Tensor:
    """Return, for each row of directions, whether the function jumps, or is unbounded, to one of its sides.

    A change that no step is short enough for may be as steep a slope as is claimed.
    """
    if not len(directions):
        return torch.zeros(0, dtype=torch.bool)
    slope = torch.cat([claimed, claimed]).abs()
    changes, seen, steps = _to_both_sides(line, directions)
    jump = _lasts(changes, seen, slope * steps[:, -1])
    if line.grain.has_steps:
        shorter, visible, ends = _to_both_sides(line, directions, STAIRS)
        jump |= _lasts(shorter, visible, slope * ends[:, -1])
    jump &= ~_levels_off(line, directions, jump)
    visible = changes.isfinite() | (slope * steps[:, -1] < line.magnitude)[:, None]  # else it overflows, being steep
    grows = (seen & visible)[:, 1:] & (changes[:, 1:] >= GROWTH * changes[:, :-1])
    pole = grows.unfold(1, LAST, 1).all(2).any(1)
    return (jump | pole).reshape(2, -1).any(0)


def _lasts(changes: Tensor, seen: Tensor, claimed: Tensor) -> Tensor:
    """Return which changes are the same by the shortest steps, and more than what is claimed of the last."""
    last = changes[:, -LAST:]
    same = seen[:, -LAST:].all(1) & (last.amax(1) - last.amin(1) <= ALIKE * last.amax(1))
    same &= last.isfinite().all(1)  # else it overflows
    return same & (claimed < STEEP_PART * last.amax(1))


def steep(line: Line, directions: Tensor, claimed: Tensor, *, slowly: bool = True) -> Tensor:
    """Return, for each row of directions, whether the slope grows without bound to a side, beyond what is claimed.

    Be it `slowly`, by as much each time: where quotients do not converge. Rounding of an output of 0 grows so as well.
    """
    if not len(directions):
        return torch.zeros(0, dtype=torch.bool)
    changes, seen, steps = _to_both_sides(line, directions)
    slopes = changes / steps
    grows = (seen[:, 1:] & (slopes[:, 1:] >= STEEPER * slopes[:, :-1]))[:, -LAST:].all(1)
    growth, least = slopes.diff(), CLEARLY * 4 * line.rounding / steps[:, 1:]
    steadily = ((growth > least)[:, 1:] & (growth[:, 1:] >= STEADY * growth[:, :-1]))[:, -LAST:].all(1)
    steadily &= steps[:, -1] < line.grain.smallest  # else it may level off further down: log(x + 1e-300)
    beyond = slopes[:, -1] > CLAIMED * torch.cat([claimed, claimed]).abs()
    # else it overflows: by a long step, or where a square does, next to a kink of slope 1e300, say
    known = changes[:, -1].isfinite() | ((steps[:, -1] < SHORT) & (line.grain.largest < SQUARES_OVERFLOW))
    infinite = (grows | steadily if slowly else grows) & beyond & known
    infinite &= ~_levels_off(line, directions, infinite)
    return infinite.reshape(2, -1).any(0)


def _levels_off(line: Line, directions: Tensor, doubted: Tensor) -> Tensor:
    """Return to which sides the slopes of a function stop to grow much nearer to the point, of those that are doubted.

    Only next to 0 numbers are as near as that, and what looks like a jump may be steep: relu(1e300*x).
    """
    sides = torch.cat([directions, -directions])
    chosen = (doubted & ((sides == 0) | (line.start == 0)).all(1)).nonzero()[:, 0]
    found = torch.zeros_like(doubted)
    if len(chosen):
        steps = torch.tensor([2.0**-k for k in FAR_EXPONENTS], dtype=torch.float64).expand(len(chosen), -1)
        changes = line.changes(sides[chosen], torch.arange(len(chosen)), steps).abs()
        slopes, seen = changes / steps, (changes > _visible(line)) & changes.isfinite()
        found[chosen] = (seen[:, 1:] & (slopes[:, 1:] <= LEVEL * slopes[:, :-1])).any(1)
    return found


def is_level(line: Line, directions: Tensor, claimed: Tensor, jump: float) -> bool:
    """Return whether the function, less the slopes that are claimed, changes by no more than rounding to both sides.

    A jump of that size would show: one of less is not known to be none.
    """
    changes, steps = _changes(line, directions)
    changes = changes - torch.cat([claimed, -claimed])[:, None] * steps
    return jump > _visible(line) and bool((changes.abs() <= _visible(line)).all())


def is_continuous(line: Line, directions: Tensor, jump: float) -> bool:
    """Return whether the function changes by no more than a small part of a jump of that size next to the point."""
    changes, _ = _changes(line, directions)
    return jump > _visible(line) and bool((changes[:, -LAST:].abs() <= ALIKE * jump).all())


def shortest_steps(line: Line) -> Tensor:
    """Return the shortest step of each entry that a jump is looked for by, to one side or the other."""
    every = torch.eye(line.start.numel(), dtype=torch.float64)
    signs = 2.0 * torch.randint(0, 2, (len(every),), generator=torch.Generator().manual_seed(0)) - 1
    return signs * _scale(line, every) * 2.0 ** -EXPONENTS[-1]


def is_hidden(line: Line, jump: float) -> bool:
    """Return whether a jump of that size is lost in rounding."""
    return jump <= _visible(line)


def _visible(line: Line) -> float:
    return VISIBLE * 4 * line.rounding


def _to_both_sides(
    line: Line, directions: Tensor, exponents: Sequence[int] = EXPONENTS
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the changes to both sides by steps that shrink, which of them are more than rounding, and the steps."""
    changes, steps = _changes(line, directions, exponents)
    return changes.abs(), changes.abs() > _visible(line), steps


def _changes(line: Line, directions: Tensor, exponents: Sequence[int] = EXPONENTS) -> tuple[Tensor, Tensor]:
    """Return the changes along the directions and then against them, and the steps."""
    sides = torch.cat([directions, -directions])
    steps = _scale(line, sides)[:, None] * torch.tensor([2.0**-k for k in exponents], dtype=torch.float64)
    return line.changes(sides, torch.arange(len(sides)), steps), steps


def _scale(line: Line, directions: Tensor) -> Tensor:
    """Return the length of a step along each direction: small beside every entry that it moves, and 1 for one of 0."""
    sizes = torch.where(line.start == 0, 1.0, line.start.abs()) / directions.abs().clamp(max=1.0)
    moved = torch.where(directions != 0, sizes, torch.inf).amin(1)
    return torch.where(moved.isfinite(), moved, 1.0).clamp_max(float(line.size))
