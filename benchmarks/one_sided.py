"""What one-sided difference quotients say of a program at a point: its derivative, its kinks, that there is none.

The program is computed by `exact` in as many digits as its numbers take, and nothing else is known of it. Quotients
along the axes, all ones and random directions are taken to both sides with steps that shrink by 10^5; they count where
they converge. At a kink the gradients at points around it say what Clarke's generalised gradient is.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import pairwise, product

import exact
from kink_grammar import Drawn, Node  # noqa: TC002 (dataclasses hold them)
from mpmath import mp, mpf

Vector = Sequence[mpf]

# Steps are 10^-k times the smallest entry that is not 0, and at most that.
EXPONENTS = (20, 25, 30, 35)
CLOSE = mpf(10) ** -9
RANDOM_DIRECTIONS = 3
# A slope that is 0 in so many digits may be less: it is looked at in so many more, in which the smallest double shows.
FINER = 330
# Points around a kink are this far away, and quotients at them this long.
NEARBY, SHORT = 18, 40
POINTS = 200
# A gradient is in the convex hull of others if it is this near, and outside if it is this far from it.
INSIDE, OUTSIDE = 1e-6, 1e-3
# A slope is between others within the first of these, relative to the largest, and is clearly so within the second.
WIDE, NARROW, NOTHING = mpf("1e-7"), mpf("1e-10"), mpf(0)
# Digits that are lost at most where a program is computed in double precision, and how it may change in more digits.
SPOILT, MORE_DIGITS, SAME = mpf("1e-6"), 30, mpf("1e-30")
LEAST, LARGEST = mpf("1e-300"), mpf("1.7e308")
HAS_EXPONENTIAL = mpf(746)


class Shape(StrEnum):
    """What a function is at a point."""

    SMOOTH = "smooth"
    KINK = "kink"
    NOT_A_NUMBER = "NaN"
    INFINITE = "infinite"
    NO_DERIVATIVE = "no finite derivative"
    UNKNOWN = "not decided"


@dataclass(frozen=True)
class Function:
    """A program as a function of the entries of one of its nodes."""

    drawn: Drawn
    node: Node
    start: tuple[mpf, ...]

    @staticmethod
    def of(drawn: Drawn, node: Node) -> Function:
        """Return the program as a function of a node, in digits enough for its numbers."""
        mp.dps = _digits(_numbers(drawn))
        mp.dps = _digits([*_numbers(drawn), *_entries(evaluate(drawn, node, {})), *_made(drawn)])
        return Function(drawn, node, tuple(_entries(evaluate(drawn, node, {}))))

    def __call__(self, entries: Vector) -> mpf:
        """Return the output with other entries of the node."""
        own = list(entries) if self.node.is_vector else entries[0]
        return evaluate(self.drawn, self.drawn.output, {id(self.node): own})

    def moved(self, direction: Vector, length: mpf) -> mpf:
        """Return the output at a distance from the start."""
        return self([entry + length * part for entry, part in zip(self.start, direction, strict=True)])

    @cached_property
    def finer(self) -> Function:
        """Return the same in the digits that are in force now: the start is computed again."""
        return Function(self.drawn, self.node, tuple(_entries(evaluate(self.drawn, self.node, {}))))

    @cached_property
    def scale(self) -> mpf:
        """Return a length that is small beside what the program's numbers, however small or large, make of a step."""
        return min(self.sizes) / max(self.sizes)

    @cached_property
    def sizes(self) -> list[mpf]:
        """Return the sizes of all numbers of the program, and 1."""
        numbers = [*self.start, *map(mpf, _numbers(self.drawn)), *_made(self.drawn)]
        return [mpf(1), *(abs(entry) for entry in numbers if entry != 0 and mp.isfinite(entry))]


def _numbers(drawn: Drawn) -> list[float]:
    return [entry for value in drawn.point.values() for entry in (value if isinstance(value, list) else [value])]


def _digits(numbers: Sequence[mpf]) -> int:
    """Return how many digits some numbers take, and the exponentials of those that have one in double precision."""
    known = [abs(mpf(entry)) for entry in numbers if entry and mp.isfinite(entry)]
    sizes = [abs(float(mp.log10(entry))) for entry in known]
    exponents = [float(entry / mp.ln(10)) for entry in known if entry < HAS_EXPONENTIAL]
    return 120 + int(4 * max(sizes, default=0.0) + max(exponents, default=0.0))


def _made(drawn: Drawn) -> list[mpf]:
    """Return all numbers that a program computes."""
    return [entry for node in drawn.output.walk() for entry in _entries(evaluate(drawn, node, {}))]


def leaves_doubles(drawn: Drawn) -> bool:
    """Return whether a value of a program is beyond the largest double, or below the smallest."""
    mp.dps = _digits(_numbers(drawn))
    values = [evaluate(drawn, node, {}) for node in drawn.output.walk()]
    entries = [abs(entry) for value in values for entry in (value if isinstance(value, list) else [value])]
    return any(mp.isfinite(entry) and entry != 0 and not LEAST < entry < LARGEST for entry in entries)


def evaluate(drawn: Drawn, wanted: Node, given: Mapping[int, exact.Value]) -> exact.Value:
    """Return the value of a node, with other values of some."""
    known = dict(given)

    def value(node: Node) -> exact.Value:
        if id(node) not in known:
            known[id(node)] = _own(drawn, node, value)
        return known[id(node)]

    return value(wanted)


def _own(drawn: Drawn, node: Node, value: Callable[[Node], exact.Value]) -> exact.Value:
    if node.op == "leaf":
        number = drawn.point[node.text]
        return [mpf(entry) for entry in number] if isinstance(number, list) else mpf(number)
    if node.op == "number":
        return mpf(node.number)
    return exact.compute(node.op, [value(operand) for operand in node.operands])


def rounding_spoils(drawn: Drawn) -> bool:
    """Return whether a value of a program is lost when it is computed in double precision."""
    mp.dps = _digits(_numbers(drawn))
    with mp.workprec(53):
        rounded = [evaluate(drawn, node, {}) for node in drawn.output.walk()]
    exactly = [evaluate(drawn, node, {}) for node in drawn.output.walk()]
    pairs = zip(map(_entries, rounded), map(_entries, exactly), strict=True)
    apart = (
        abs(one - other) > SPOILT * abs(other)
        for ones, others in pairs
        for one, other in zip(ones, others, strict=True)
    )
    return any(apart)


def _entries(value: exact.Value) -> Sequence[mpf]:
    return value if isinstance(value, list) else [value]


def branches(drawn: Drawn) -> bool:
    """Return whether a program has a Python `if`."""
    return any(node.op.startswith("if_") for node in drawn.output.walk())


def rounding_decides(drawn: Drawn) -> bool:
    """Return whether a program decides otherwise when it is computed in double precision."""
    found = []
    for bits in (None, 53):
        mp.dps = _digits(_numbers(drawn)) + FINER
        with mp.workprec(bits or mp.prec):
            exact.decisions.clear()
            evaluate(drawn, drawn.output, {})
            found.append(list(exact.decisions))
    return found[0] != found[1]


@dataclass(frozen=True, slots=True)
class Side:
    """The one-sided derivative along a direction, for a step forwards."""

    shape: Shape
    slope: mpf | None = None


def side(function: Function, direction: Vector) -> Side:
    """Return the limit of the quotients along a direction, forwards only."""
    found = _side(function, direction)
    if found.slope != 0:
        return found
    with mp.workdps(mp.dps + FINER):  # that of tanh at 200 is 10^-174
        return _side(function.finer, direction)


def _side(function: Function, direction: Vector) -> Side:
    base = function(function.start)
    steps = [function.scale * mpf(10) ** -k for k in EXPONENTS]
    changes = [function.moved(direction, step) - base for step in steps]
    if any(map(mp.isnan, changes)):
        return Side(Shape.NOT_A_NUMBER)
    quotients = [change / step for change, step in zip(changes, steps, strict=True)]
    if all(quotient == quotients[0] and mp.isinf(quotient) for quotient in quotients):
        return Side(Shape.NO_DERIVATIVE, quotients[0])
    if not all(mp.isfinite(quotient) for quotient in quotients):
        return Side(Shape.NO_DERIVATIVE)
    if not _is_same_in_more_digits(function, direction, steps[-1]):
        return Side(Shape.UNKNOWN)
    if max(map(abs, quotients)) <= LEAST:  # no double shows it
        return Side(Shape.SMOOTH, mpf(0))
    apart = [abs(b - a) for a, b in pairwise(quotients)]
    size = abs(quotients[-1])
    noise = mpf(10) ** (12 - mp.dps) * max(function.sizes) / steps[-1]
    if apart[-1] <= CLOSE * size + noise or (apart[-1] * 100 <= apart[-2] and apart[-2] * 100 <= apart[-3]):
        # What is left of a slope that shrinks with the step is none.
        return Side(Shape.SMOOTH, mpf(0) if size <= noise + 2 * apart[-1] else quotients[-1])
    growing = all(abs(b) > abs(a) for a, b in pairwise(quotients))
    return Side(Shape.NO_DERIVATIVE, INFINITE * mp.sign(quotients[-1])) if growing else Side(Shape.UNKNOWN)


def _is_same_in_more_digits(function: Function, direction: Vector, step: mpf) -> bool:
    """Return whether a function's value is that of the program, and not what rounding makes of it at a jump."""
    found = function.moved(direction, step)
    with mp.workdps(mp.dps + MORE_DIGITS):
        again = function.moved(direction, step)
    return bool(abs(again - found) <= SAME * (abs(found) + 1))


INFINITE = mpf("inf")


@dataclass(frozen=True, slots=True)
class Truth:
    """What the quotients say of a function: its gradient where it is smooth, its slopes to both sides at a kink."""

    shape: Shape
    directions: tuple[Vector, ...] = ()
    below: tuple[mpf | None, ...] = ()
    above: tuple[mpf | None, ...] = ()

    @property
    def gradient(self) -> list[mpf]:
        """Return the derivatives by the entries, which come first among the directions."""
        return list(self.above[: len(self.directions[0])])  # type: ignore[arg-type]


def look(function: Function) -> Truth:
    """Return what a function is at its start."""
    if not all(mp.isfinite(entry) for entry in (*function.start, *_numbers(function.drawn))):
        return Truth(Shape.UNKNOWN)
    base = function(function.start)
    if not mp.isfinite(base):
        return Truth(Shape.NOT_A_NUMBER if mp.isnan(base) else Shape.INFINITE)
    directions = _directions(len(function.start))
    ahead = [side(function, direction) for direction in directions]
    behind = [side(function, [-part for part in direction]) for direction in directions]
    above = tuple(one.slope for one in ahead)
    below = tuple(None if one.slope is None else -one.slope for one in behind)
    shapes = {one.shape for one in (*ahead, *behind)}
    for shape in (Shape.NO_DERIVATIVE, Shape.NOT_A_NUMBER, Shape.UNKNOWN):
        if shape in shapes:
            # At the end of a domain, where there is nothing to one side, nothing is decided.
            known = Shape.UNKNOWN if shape is Shape.NOT_A_NUMBER else shape
            return Truth(known, directions, below, above)
    smooth = _alike(above, below) and _is_linear(directions, above)
    return Truth(Shape.SMOOTH if smooth else Shape.KINK, directions, below, above)


def _directions(entries: int) -> tuple[Vector, ...]:
    generator = random.Random(0)  # noqa: S311 (no secrets)
    axes = [[mpf(place == axis) for place in range(entries)] for axis in range(entries)]
    if entries == 1:
        return tuple(axes)
    signs = list(product((1, -1), repeat=entries - 1))
    some = (_random(generator, signs[place % len(signs)]) for place in range(max(RANDOM_DIRECTIONS, len(signs))))
    return (*axes, [mpf(1)] * entries, *some)


def _random(generator: random.Random, signs: Sequence[int]) -> Vector:
    """Return a direction into an orthant, the first sign being positive: a product of floors may jump in one alone."""
    return [sign * mpf(generator.randint(1, 64)) / 32 for sign in (1, *signs)]


def stays_undefined(function: Function) -> bool:
    """Return whether the output is NaN whatever the entries of the node are."""
    others = [function([mpf(number)] * len(function.start)) for number in ("0.3", "-1.7", "2.6")]
    return all(map(mp.isnan, others))


def _alike(one: Sequence[mpf], other: Sequence[mpf]) -> bool:
    largest = max(abs(value) for value in (*one, *other))
    return all(abs(a - b) <= CLOSE * largest for a, b in zip(one, other, strict=True))


def _is_linear(directions: Sequence[Vector], slopes: Sequence[mpf]) -> bool:
    gradient = slopes[: len(directions[0])]
    return _alike(slopes, [_product(gradient, direction) for direction in directions])


def _product(one: Sequence[mpf], other: Sequence[mpf]) -> mpf:
    return mp.fsum(a * b for a, b in zip(one, other, strict=True))


def between(truth: Truth, gradient: Sequence[float], width: mpf = WIDE, rounding: mpf = NOTHING) -> bool:
    """Return whether a gradient's slope lies between the one-sided derivatives along every direction.

    That is to `width`, relative to the largest of them, and a `rounding`.
    """
    given = [mpf(entry) for entry in gradient]
    scale = max(abs(slope) for slope in (*truth.above, *truth.below) if slope is not None)
    for direction, one, other in zip(truth.directions, truth.below, truth.above, strict=True):
        slack = (width * scale + rounding) * (1 + mp.fsum(map(abs, direction)))
        if not min(one, other) - slack <= _product(given, direction) <= max(one, other) + slack:
            return False
    return True


def generalised(function: Function, gradient: Sequence[float]) -> bool | None:
    """Return whether a gradient is one of Clarke's generalised ones; None where points nearby do not tell."""
    found = _gradients_nearby(function)
    if not found:
        return None
    scale = max((abs(entry) for one in found for entry in one), default=mpf(0)) or mpf(1)
    points = [[float(entry / scale) for entry in one] for one in found]
    distance = _distance(points, [float(mpf(entry) / scale) for entry in gradient])
    if distance <= INSIDE:
        return True
    return False if distance >= OUTSIDE else None


def _gradients_nearby(function: Function) -> list[list[mpf]]:
    generator = random.Random(1)  # noqa: S311 (no secrets)
    entries = len(function.start)
    near, short = (function.scale * mpf(10) ** -k for k in (NEARBY, SHORT))
    found = []
    for _ in range(POINTS):
        shift = [near * mpf(generator.uniform(-1, 1)) for _ in range(entries)]
        point = [entry + part for entry, part in zip(function.start, shift, strict=True)]
        values = [_quotient(function, point, axis, short) for axis in range(entries)]
        if any(map(mp.isnan, values)):  # at the end of a domain
            return []
        if all(mp.isfinite(value) for value in values):
            found.append(values)
    return found


def _quotient(function: Function, point: Sequence[mpf], axis: int, step: mpf) -> mpf:
    ahead, behind = list(point), list(point)
    ahead[axis] += step
    behind[axis] -= step
    return (function(ahead) - function(behind)) / (2 * step)


def _distance(points: Sequence[Sequence[float]], target: Sequence[float]) -> float:
    """Return how far a point is from the convex hull of others, by Wolfe's steps towards the farthest of them."""
    unique = [list(point) for point in dict.fromkeys(tuple(round(entry, 12) for entry in point) for point in points)]
    weights = [1.0 / len(unique)] * len(unique)
    for _ in range(3000):
        here = [sum(w * p[axis] for w, p in zip(weights, unique, strict=True)) for axis in range(len(target))]
        off = [t - h for t, h in zip(target, here, strict=True)]
        if math.hypot(*off) <= INSIDE:
            return 0.0
        scores = [sum(o * (p - h) for o, p, h in zip(off, point, here, strict=True)) for point in unique]
        held = [place for place, weight in enumerate(weights) if weight > 0]
        to, away = scores.index(max(scores)), min(held, key=scores.__getitem__)
        direction = [a - b for a, b in zip(unique[to], unique[away], strict=True)]
        size = sum(d * d for d in direction)
        if size == 0:
            break
        step = min(weights[away], sum(o * d for o, d in zip(off, direction, strict=True)) / size)
        if step <= 0:
            break
        weights[to] += step
        weights[away] -= step
    return math.hypot(*off)
