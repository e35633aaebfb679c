"""Where boxes stand and how arrows run: near what they are linked to, never over one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gradcli.render.graph.ordering import Links, Ordered

GAP, NARROW_GAP = 26.0, 12.0  # between boxes, and beside an arrow that passes them
PASSES = 50
STRAIGHT = 8.0  # how much more it counts that an arrow runs straight down than that a box stands near
PORTS = 18.0  # between the ends of arrows at a box


@dataclass(frozen=True, slots=True)
class Band:
    """The room of a row from its top to its bottom."""

    top: float
    bottom: float

    @property
    def middle(self) -> float:
        """Return the height at which the middle of a box stands."""
        return (self.top + self.bottom) / 2


def columns(found: Ordered, widths: Mapping[str, float]) -> dict[str, float]:
    """Return the middle of each box and place, from 0 on; `widths` are those of boxes, and a place has none."""
    centres = _packed(found, widths)
    for number in range(PASSES):
        is_down = number % 2 == 0
        # First from row to row in one direction, which makes a chain straight at once; then with all that is linked.
        sides = (found.above, found.below) if number >= PASSES / 2 else (found.above if is_down else found.below,)
        for row in found.rows if is_down else found.rows[::-1]:
            wanted = [_wanted(box, sides, centres) for box in row]
            room = [_room(left, right, widths) for left, right in pairwise(row)]
            centres.update(zip(row, spread(wanted, room), strict=True))
    left = min((centre - widths.get(box, 0.0) / 2 for box, centre in centres.items()), default=0.0)
    return {box: centre - left for box, centre in centres.items()}


def _packed(found: Ordered, widths: Mapping[str, float]) -> dict[str, float]:
    centres: dict[str, float] = {}
    for row in found.rows:
        at = 0.0
        for place, box in enumerate(row):
            at += _room(row[place - 1], box, widths) if place else 0.0
            centres[box] = at
        centres |= {box: centres[box] - at / 2 for box in row}
    return centres


def _room(left: str, right: str, widths: Mapping[str, float]) -> float:
    """Return how far apart two neighbours have to be."""
    gap = GAP if left in widths and right in widths else NARROW_GAP
    return (widths.get(left, 0.0) + widths.get(right, 0.0)) / 2 + gap


def _wanted(box: str, sides: Sequence[Links], centres: Mapping[str, float]) -> tuple[float, float]:
    """Return where a box would best stand for what it is linked to on some sides, and how much that counts."""
    linked = [other for links in sides for other in links.get(box, ())]
    if not linked:
        return centres[box], 1.0
    is_place = "/" in box
    weights = [STRAIGHT if is_place and "/" in other else 1.0 for other in linked]
    mean = sum(weight * centres[other] for weight, other in zip(weights, linked, strict=True)) / sum(weights)
    return mean, sum(weights)


def spread(wanted: Sequence[tuple[float, float]], room: Sequence[float]) -> Iterator[float]:
    """Yield places as near to those wanted as the room between neighbours allows, by least squares with weights.

    `wanted` holds places and their weights, in order. Less the room before them, the places must not fall: that is
    isotonic regression, which pooling adjacent violators solves (Ayer et al., 1955).
    """
    before = [0.0]
    for distance in room:
        before.append(before[-1] + distance)
    pools: list[tuple[float, float, int]] = []  # mean, weight, members
    for (place, weight), offset in zip(wanted, before, strict=False):
        pool = (place - offset, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            pool = _pooled(pools.pop(), pool)
        pools.append(pool)
    levels = [mean for mean, _, members in pools for _ in range(members)]
    yield from (level + offset for level, offset in zip(levels, before, strict=False))


def _pooled(one: tuple[float, float, int], other: tuple[float, float, int]) -> tuple[float, float, int]:
    weight = one[1] + other[1]
    return (one[0] * one[1] + other[0] * other[1]) / weight, weight, one[2] + other[2]


def ports(box: str, linked: Sequence[str], centres: Mapping[str, float], width: float) -> dict[str, float]:
    """Return where at a box the arrows from or to others end, so that they do not cross there."""
    others = sorted(linked, key=centres.__getitem__)
    step = min(PORTS, (width - PORTS) / max(len(others) - 1, 1)) if width else 0.0
    return {other: centres[box] + (place - (len(others) - 1) / 2) * step for place, other in enumerate(others)}
