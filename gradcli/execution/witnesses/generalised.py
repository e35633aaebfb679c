"""Clarke's generalised gradient at a kink, seen along directions: what a right choice of a gradient may be there.

It is the convex hull of the limits of gradients at points nearby. A gradient is in it only if its slope along every
direction lies between the smallest and the largest slope at such points; between one-sided derivatives by every entry
is not enough: at a tie of two, [1, 1] is between those of a maximum, and along [1, 1] it claims a slope of 2 for 1.
(F. H. Clarke, Optimization and Nonsmooth Analysis, 1983, section 2.1.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradcli.execution.witnesses.line import Line, random_directions, unit

# Points are this far from the kink, and the quotients at them this long, relative to the entries.
NEARBY, STEP = 2.0**-20, 2.0**-23
# Random points around the kink: first, and where a gradient seems to be outside.
POINTS, MORE_POINTS = 24, 256
# How far outside of the slopes that were seen a slope may be, relative to the largest of them.
SLACK = 1e-5
# Slopes whose error may be larger than this, relative to the largest along any direction, say nothing.
VAGUE = 1e-2
# How many steps towards a gradient are taken in the hull of those nearby.
HULL_STEPS = 300
# Slopes may still move towards the point, as those of x**1.5 do at 0: by so many times what they move to points that
# are so much nearer, for powers of the distance of a sixth and more.
NEARER, REMAINING = 2.0**-6, 2.0


@dataclass(frozen=True, slots=True)
class Slopes:
    """The slopes at points near a kink, along each direction."""

    low: Tensor
    high: Tensor
    error: Tensor
    """How far off a slope may be."""
    straight: Tensor
    """Whether the extremes are met on the direction itself, as where the function is convex or concave along it."""

    @property
    def vague(self) -> Tensor:
        """Return where slopes may be off by so much that nothing follows; a direction may have none to see."""
        sizes = self.low.abs().maximum(self.high.abs())
        return ~(self.error <= VAGUE * sizes.amax()) if len(sizes) else sizes.bool()

    @property
    def flat(self) -> Tensor:
        """Return where all slopes are the same."""
        return self.high - self.low <= self._slack

    @property
    def _slack(self) -> Tensor:
        return self.error + SLACK * self.low.abs().maximum(self.high.abs())

    def admit(self, claimed: Tensor, granted: float) -> Tensor:
        """Return which of the slopes that a gradient claims are among them."""
        slack = self._slack + granted
        return (claimed >= self.low - slack) & (claimed <= self.high + slack)


def separating(line: Line, entries: Tensor, claimed: Tensor, granted: float) -> Tensor:
    """Return the direction that best parts a gradient's slopes by some entries from all gradients nearby, as one row.

    No row where it is one of their means. (Gilbert 1966: steps towards the farthest of them, in their convex hull.)
    """
    nearby = _gradients(line, entries)
    scale = SLACK * nearby.abs().amax() + granted + 4 * line.rounding / STEP if len(nearby) else torch.inf
    inside, apart = nearby.mean(0), torch.zeros_like(claimed)
    for _ in range(HULL_STEPS if len(nearby) else 0):
        apart = claimed - inside
        towards = nearby[(nearby @ apart).argmax()] - inside
        gained = towards @ apart
        if bool(apart.abs().amax() <= scale) or bool(gained <= scale * apart.norm()):
            break
        inside = inside + (gained / towards.square().sum()).clamp_max(1.0) * towards
    beyond = (nearby @ apart).amax() + scale * apart.norm() if len(nearby) else torch.inf
    return (apart / apart.norm())[None] if bool(claimed @ apart > beyond) else claimed.new_zeros(0, len(claimed))


def _gradients(line: Line, entries: Tensor) -> Tensor:
    """Return the slopes by some entries at random points around the start, a row each; not where one is not finite."""
    scale, every = line.grain.lengths(line.start), unit(entries, line.start.numel())
    shifts = NEARBY * scale * random_directions(POINTS, len(scale), seed=3)
    found = torch.stack([_slopes(line, direction, shifts) for direction in every], dim=1)
    return found[found.isfinite().all(1)]


def outside(within: Callable[[float], Slopes], claimed: Tensor, granted: float) -> tuple[Slopes, Tensor]:
    """Return the slopes near a point, and which of those that a gradient claims are not among them.

    `within` gives them at a part of the usual distance. Where some are not, it counts how far they still move.
    """
    near = within(1.0)
    beyond = ~near.admit(claimed, granted)
    if not bool(beyond.any()):
        return near, beyond
    nearer = within(NEARER)
    moving = torch.maximum((nearer.low - near.low).abs(), (nearer.high - near.high).abs()) - nearer.error
    near = replace(near, error=near.error + REMAINING * moving.nan_to_num(0.0).clamp_min(0.0))
    return near, ~near.admit(claimed, granted)


def slopes(
    line: Line, directions: Tensor, sides: Tensor | None = None, points: int = POINTS, within: float = 1.0
) -> Slopes:
    """Return the slopes near the line's start, at points that are a part of the usual distance away.

    `sides` says of every entry how much larger its derivative is above than below: the points at which all entries
    are on the side that makes a slope largest, or smallest, are looked at as well.
    """
    if not len(directions):
        none = torch.zeros(0, dtype=torch.float64)
        return Slopes(none, none, none, none.bool())
    found = [
        _slopes(line, direction, within * _around(line, direction, sides, points), within) for direction in directions
    ]
    low, high = (torch.stack([extreme(one) for one in found]) for extreme in (_least, _largest))
    slack = SLACK * low.abs().maximum(high.abs())
    lengths = [_reach(line, direction) for direction in directions]
    error = 4 * line.rounding / (within * STEP) / torch.tensor(lengths, dtype=torch.float64)
    straight_low, straight_high = (torch.stack([end(one[:2]) for one in found]) for end in (_least, _largest))
    straight = (straight_low <= low + slack + error) & (straight_high >= high - slack - error)
    return Slopes(low, high, error, straight)


def _least(slopes: Tensor) -> Tensor:
    return slopes.nan_to_num(nan=torch.inf).amin()


def _largest(slopes: Tensor) -> Tensor:
    return slopes.nan_to_num(nan=-torch.inf).amax()


def _around(line: Line, direction: Tensor, sides: Tensor | None, points: int) -> Tensor:
    """Return how far to go: along the direction, to the sides that matter to it, and anywhere around."""
    scale = line.grain.lengths(line.start)
    straight = torch.stack([direction, -direction]) * _reach(line, direction)
    anywhere = random_directions(points, len(direction), seed=1)
    if sides is not None:
        best = (direction * sides).sign() * (1 + anywhere[0].abs())  # further than a step
        anywhere = torch.cat([torch.stack([best, -best]), anywhere])
    return NEARBY * torch.cat([straight, anywhere * scale])


def _reach(line: Line, direction: Tensor) -> float:
    """Return a length that is small beside every entry that a direction moves."""
    return float(line.grain.lengths(line.start)[direction != 0].amin()) if bool(direction.any()) else 1.0


def _slopes(line: Line, direction: Tensor, shifts: Tensor, within: float = 1.0) -> Tensor:
    """Return the central difference quotient along a direction at each point; each is a mean of slopes nearby."""
    length = within * STEP * _reach(line, direction)
    step = length * direction
    ahead, behind = line.moved(torch.cat([shifts + step, shifts - step])).reshape(2, -1)
    return (ahead - behind) / (2 * length)
