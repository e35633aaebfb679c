"""What is drawn of a curve: its points in pieces that a line may connect, and the range of its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gradcli.report.plot import Break, Curve

Point = tuple[float, float]
Piece = list[Point]
# Of the numbers, the part at either end that a range may leave out, where they reach further than FAR times the rest.
TAIL, FAR = 0.05, 4.0


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers that an axis shows."""

    low: float
    high: float

    @property
    def length(self) -> float:
        """Return how long it is."""
        return self.high - self.low

    def share(self, number: float) -> float:
        """Return where a number is in the range: 0 at its low end, 1 at its high end."""
        return (number - self.low) / self.length


def value_pieces(curve: Curve) -> list[Piece]:
    """Return the function in pieces: it is not connected across a jump or a pole."""
    cuts = [one for one in curve.breaks if one.kind != "kink"]
    return [*_pieces(curve.points, curve.value, cuts, [one.values for one in cuts])]


def derivative_pieces(curve: Curve) -> list[Piece]:
    """Return the derivative in pieces: it is not connected across a kink, either, and each reaches up to there."""
    ends = [(one.below, one.above) for one in curve.breaks]
    return [*_pieces(curve.points, curve.derivative, curve.breaks, ends)]


def second_pieces(curve: Curve) -> list[Piece]:
    """Return the second derivative in pieces; none where it is not asked for."""
    return [] if curve.second is None else [*_pieces(curve.points, curve.second, curve.breaks, [])]


def _pieces(
    points: Sequence[float],
    numbers: Sequence[float],
    cuts: Sequence[Break],
    ends: Sequence[tuple[float | None, float | None] | None],
) -> Iterator[Piece]:
    """Yield pieces of finite numbers; one that is cut goes up to the number that there is on its side of the cut."""
    at = {one.at for one in cuts}
    edges = {one.at: end or (None, None) for one, end in zip(cuts, ends, strict=False)}
    waiting = sorted(at)
    piece: Piece = []
    for point, number in zip(points, numbers, strict=True):
        while waiting and waiting[0] <= point:
            below, above = edges.get(waiting[0], (None, None))
            yield piece + _point(waiting[0], below)
            piece = _point(waiting.pop(0), above)
        if point in at:
            continue
        if math.isfinite(number):
            piece.append((point, number))
        else:
            yield piece
            piece = []
    yield piece


def _point(at: float, number: float | None) -> Piece:
    return [] if number is None or not math.isfinite(number) else [(at, number)]


def range_of(numbers: Iterable[float]) -> Range:
    """Return the range of numbers, a little beyond them; without a few that are very far from the rest."""
    finite = sorted(number for number in numbers if math.isfinite(number))
    if not finite:
        return Range(-1.0, 1.0)
    low, high = finite[0], finite[-1]
    cut = math.ceil(TAIL * len(finite))
    near = Range(finite[cut], finite[-1 - cut]) if len(finite) > 4 * cut else Range(low, high)
    if near.length > 0:
        low, high = max(low, near.low - FAR * near.length), min(high, near.high + FAR * near.length)
    margin = 0.05 * (high - low) or 0.5 * max(abs(low), 1.0)
    return Range(low - margin, high + margin)
