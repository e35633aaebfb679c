"""Where a function of one number bends, jumps or has a pole: found between the points at which it is drawn.

Between two points a smooth function and its derivative are, at the middle, what the ends say but for terms that shrink
by 4 or more with each halving. What does not shrink is followed by halving to the last bits of the number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gradcli.execution.commands.plot.samples import Sample

# By which part of its change over an interval a derivative may be off at the middle, before it is looked at closer.
BENT = 0.05
# By which part of its size over all points a function may be.
STEPPED = 1e-7
# How often an interval is halved before what is left of a deviation tells, and which part of it a smooth function
# would leave at most: 4 to the minus ROUNDS of its derivative's, but for its higher terms.
ROUNDS, SMOOTH = 5, 1 / 16
# What a kink leaves of a deviation of the function itself after as many: 2 to the minus ROUNDS; a jump, all of it.
CONTINUOUS = 1 / 8
# An interval is halved until its ends are so many times their rounding apart.
CLOSE = 8.0
# How many units in the last place a program may be off.
ROUNDING = 64.0
EPSILON = 2.0**-52
# A function that is larger than this, relative to what it is at most points, has a pole.
HUGE = 1e6
# Digits behind the point of a number that a program is likely to have.
SHORT = 13
# More than these are not looked for.
MOST = 100

Function = Callable[[float], Sample]


@dataclass(frozen=True, slots=True)
class Found:
    """Two points next to each other, and what lies between them."""

    low: float
    high: float
    kind: str

    @property
    def point(self) -> float:
        """Return a short number between the two, within their rounding, if there is one: a program bends there."""
        width = self.high - self.low
        middle = self.low + width / 2
        for digits in range(SHORT):
            number = round(middle, digits)
            if self.low - width <= number <= self.high + width:
                return number + 0.0  # and not -0.0
        return middle


@dataclass(frozen=True, slots=True)
class Interval:
    """Two points with what the function is there."""

    low: float
    high: float
    at_low: Sample
    at_high: Sample

    def middle(self, function: Function) -> tuple[float, Sample]:
        """Return the point in the middle, and what the function is there."""
        point = self.low + (self.high - self.low) / 2
        return point, function(point)

    def deviations(self, middle: Sample) -> tuple[float, float]:
        """Return how far the function and its slope are at the middle from what the ends say, but for rounding."""
        width = self.high - self.low
        (low,), (high,), (slope,) = self.at_low.gradient, self.at_high.gradient, middle.gradient
        value = (self.at_low.value + self.at_high.value) / 2 - width * (high - low) / 8
        off, slope_off = abs(middle.value - value), abs(slope - (low + high) / 2)
        return (
            _beyond(off, self.at_low.value, middle.value, self.at_high.value),
            _beyond(slope_off, low, slope, high),
        )

    def halves(self, point: float, middle: Sample) -> tuple[Interval, Interval]:
        """Return the two halves."""
        return Interval(self.low, point, self.at_low, middle), Interval(point, self.high, middle, self.at_high)

    @property
    def is_open(self) -> bool:
        """Return whether there are numbers between the ends that are worth looking at."""
        return self.high - self.low > CLOSE * EPSILON * max(abs(self.low), abs(self.high), 2.0**-40)


def _beyond(deviation: float, *numbers: float) -> float:
    """Return a deviation of some numbers, or 0 where their rounding explains it."""
    return deviation if not deviation <= ROUNDING * EPSILON * max(map(abs, numbers)) else 0.0


def breaks(function: Function, points: Sequence[float], samples: Sequence[Sample]) -> list[Found]:
    """Return where a function bends, jumps or has a pole, in order; of very many, the first."""
    found: list[Found] = []
    for one in _between(function, points, samples):
        if found and one.low - found[-1].high <= CLOSE * (one.high - one.low):
            found[-1] = _graver(found[-1], one)
        else:
            found.append(one)
        if len(found) == MOST:
            break
    return found


def _graver(first: Found, second: Found) -> Found:
    """Return one of two that are the same point, which the halving has come to from both sides."""
    order = ("kink", "jump", "pole")
    kind = max(first.kind, second.kind, key=order.index)
    return Found(first.low, second.high, kind)


def _between(function: Function, points: Sequence[float], samples: Sequence[Sample]) -> Iterator[Found]:
    usual = sorted(abs(sample.value) for sample in samples if sample.value and math.isfinite(sample.value))
    size = usual[len(usual) // 2] if usual else 0.0
    slopes = [abs(sample.gradient[0]) for sample in samples if math.isfinite(sample.gradient[0])]
    steepest = max(slopes, default=0.0)
    ends = zip(points, points[1:], samples, samples[1:], strict=False)
    for interval in (Interval(*pair) for pair in ends):
        if not all(map(_is_number, (interval.at_low, interval.at_high))):
            yield from _at_ends(interval)
            continue
        one = _in(function, interval, max(size, 2.0**-40), max(steepest, 2.0**-40))
        if one is not None:
            yield one


def _is_number(sample: Sample) -> bool:
    return math.isfinite(sample.value) and math.isfinite(sample.gradient[0])


def _at_ends(interval: Interval) -> Iterator[Found]:
    """Yield the first point of an interval where the function is infinite, or has a value but no gradient."""
    sample = interval.at_low
    if math.isinf(sample.value):
        yield Found(interval.low, interval.low, "pole")
    elif math.isfinite(sample.value) and not math.isfinite(sample.gradient[0]):
        yield Found(interval.low, interval.low, "kink")


def _in(function: Function, interval: Interval, size: float, steepest: float) -> Found | None:
    """Return what lies in an interval, if anything does."""
    point, middle = interval.middle(function)
    if not _is_number(middle):
        return next(_at_ends(Interval(point, point, middle, middle)), None)
    off, slope_off = interval.deviations(middle)
    change = abs(interval.at_high.gradient[0] - interval.at_low.gradient[0])
    jumps = off > STEPPED * size
    bends = slope_off > BENT * change + STEPPED * steepest
    if jumps and (found := _followed(function, interval, 0, CONTINUOUS)) is not None:
        return Found(found.low, found.high, _kind(found, size))
    if bends and (found := _followed(function, interval, 1, SMOOTH)) is not None:
        return Found(found.low, found.high, "kink")
    return None


def _kind(interval: Interval, size: float) -> str:
    largest = max(abs(interval.at_low.value), abs(interval.at_high.value))
    return "pole" if largest > HUGE * size else "jump"


def _followed(function: Function, interval: Interval, which: int, least: float) -> Interval | None:
    """Return the smallest interval around what makes a deviation; None if that shrinks as a smooth function's does."""
    first, deviation, rounds = 0.0, 0.0, 0
    while interval.is_open:
        point, middle = interval.middle(function)
        if not _is_number(middle):
            return Interval(point, point, middle, middle)
        deviation = interval.deviations(middle)[which]
        first = first if rounds else deviation
        if rounds == ROUNDS and not deviation > least * first:
            return None
        rounds += 1
        interval = max(interval.halves(point, middle), key=lambda half: _deviation(function, half, which))
    # What is only steep is smooth once it is looked at from near enough.
    return interval if deviation > least * first else None


def _deviation(function: Function, interval: Interval, which: int) -> float:
    point, middle = interval.middle(function)
    deviation = interval.deviations(middle)[which] if interval.low < point < interval.high else 0.0
    return deviation if not math.isnan(deviation) else math.inf
