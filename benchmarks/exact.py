"""Piecewise programs in mpmath: what each op computes, written out for numbers and lists of numbers.

Nothing here knows PyTorch or gradcli. Values are real numbers of any precision, or lists of them for vectors; what is
not a real number is NaN. Every comparison is noted: two runs of a program are told apart by what they decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from mpmath import mp, mpf

Number = Any
Value = Any
Op = Callable[..., Value]

NAN, INF = mpf("nan"), mpf("inf")
# exp of a number of this size, or of its negative, is as good as infinite or 0.
FARTHEST = mpf("1e4")
# The signs of all differences that were compared, in their order.
decisions: list[int] = []


def less(one: Number, other: Number) -> bool:
    """Return whether a number is below another, and note how they compare."""
    decisions.append((one > other) - (one < other))
    return bool(one < other)


def equal(one: Number, other: Number) -> bool:
    """Return whether two numbers are the same, and note how they compare."""
    less(one, other)
    return bool(one == other)


def guarded(function: Callable[..., Number]) -> Callable[..., Number]:
    """Return a function of numbers that is NaN outside the real numbers."""

    def inside(*numbers: Number) -> Number:
        if function not in SELECTIONS.values() and any(map(mp.isnan, numbers)):
            return NAN
        with suppress(ValueError, ZeroDivisionError, OverflowError, TypeError):
            found = function(*numbers)
            return found if isinstance(found, mpf) else NAN
        return NAN

    return inside


def pointwise(function: Callable[..., Number]) -> Op:
    """Return a function of numbers as one of numbers and vectors, entry by entry."""
    inside = guarded(function)

    def spread(*values: Value) -> Value:
        sizes = {len(value) for value in values if isinstance(value, list)}
        if not sizes:
            return inside(*values)
        (size,) = sizes
        columns = [value if isinstance(value, list) else [value] * size for value in values]
        return [inside(*row) for row in zip(*columns, strict=True)]

    return spread


def exponential(a: Number) -> Number:
    """Return exp, infinite or 0 where it is far beyond all doubles."""
    if abs(a) > FARTHEST:
        return INF if a > 0 else mpf(0)
    return mp.exp(a)


def divided(a: Number, b: Number) -> Number:
    """Return a quotient, infinite or NaN for a divisor of 0."""
    if b == 0:
        return NAN if a == 0 else INF * mp.sign(a)
    return a / b


def powered(a: Number, b: Number) -> Number:
    """Return a power as IEEE 754 has it."""
    if b == 0 or a == 1:
        return mpf(1)
    if mp.isnan(b):
        return NAN
    if a == 0:
        return mpf(0) if b > 0 else INF
    if a < 0 and b != mp.floor(b):
        return NAN
    exponent = b * mp.log(abs(a))
    if abs(exponent) > FARTHEST:
        return exponential(exponent) * (-1 if a < 0 and mp.fmod(b, 2) != 0 else 1)
    return mp.power(a, b)


def logarithm(a: Number) -> Number:
    """Return the natural logarithm."""
    return -INF if a == 0 else mp.log(a) if a > 0 else NAN


def xlogy(a: Number, b: Number) -> Number:
    """Return a·log(b), and 0 for a = 0."""
    return mpf(0) if a == 0 else a * logarithm(b)


def clamped(a: Number, low: Number, high: Number) -> Number:
    """Return a number moved into an interval."""
    if less(a, low):
        return low
    return high if less(high, a) else +a


def larger(a: Number, b: Number) -> Number:
    """Return the larger of two numbers."""
    return +b if less(a, b) else +a


def smaller(a: Number, b: Number) -> Number:
    """Return the smaller of two numbers."""
    return +b if less(b, a) else +a


def magnitude(a: Number) -> Number:
    """Return the absolute value."""
    return -a if less(a, mpf(0)) else +a


def huber(a: Number, b: Number, delta: float = 1.0) -> Number:
    """Return Huber's loss of a difference."""
    off = magnitude(a - b)
    return mpf(delta) * (off - mpf(delta) / 2) if less(mpf(delta), off) else off * off / 2


def shrunk(a: Number, width: Number) -> Number:
    """Return a number moved towards 0 by a width, and 0 if it is nearer than that."""
    return a - width if less(width, a) else a + width if less(a, -width) else mpf(0)


def signum(a: Number) -> Number:
    """Return the sign, 0 for 0."""
    return mpf(1) if less(mpf(0), a) else mpf(-1) if less(a, mpf(0)) else mpf(0)


def stepped(function: Callable[[Number], Number]) -> Callable[[Number], Number]:
    """Return a step function, with where it is noted as a decision."""

    def inside(a: Number) -> Number:
        found = function(a)
        less(a, found)
        return found

    return inside


def truncated(a: Number) -> Number:
    """Return the integer part."""
    return mp.ceil(a) if a < 0 else mp.floor(a)


def rounded(a: Number) -> Number:
    """Return the nearest integer, the even one of two."""
    floor = mp.floor(a)
    off = a - floor
    up = off > mpf(1) / 2 or (off == mpf(1) / 2 and int(floor) % 2 == 1)
    less(off, mpf(1) / 2)
    return floor + 1 if up else floor


# A comparison with NaN is false, and what is not selected does not count: the sign of NaN is 0, its 0th power 1.
SELECTIONS: Mapping[str, Callable[..., Number]] = {
    "where_above": lambda a, b: +a if less(b, a) else 2 * b,
    "where_larger": lambda a, b: +a if less(b, a) else +b,
    "where_positive": lambda a, b: +a if less(mpf(0), a) or a == 0 else +b,
    "if_larger": lambda a, b: +a if less(b, a) else +b,
    "if_half": lambda a, b: +a if less(b, a) else a / 2,
    "where_equal": lambda a, b: +a if equal(a, b) else +b,
    "sign": signum,
    "pow": powered,
}
POINTWISE: Mapping[str, Callable[..., Number]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": divided,
    "neg": lambda a: -a,
    "abs": magnitude,
    "relu": lambda a: larger(a, mpf(0)),
    "floor": stepped(mp.floor),
    "ceil": stepped(mp.ceil),
    "round": rounded,
    "relu6": lambda a: clamped(a, mpf(0), mpf(6)),
    "hardtanh": lambda a: clamped(a, mpf(-1), mpf(1)),
    "hardsigmoid": lambda a: clamped(a + 3, mpf(0), mpf(6)) / 6,
    "hardswish": lambda a: a * clamped(a + 3, mpf(0), mpf(6)) / 6,
    "leaky_relu": lambda a: a * mpf(0.25) if less(a, mpf(0)) else +a,
    "elu": lambda a: POINTWISE["expm1"](a) if less(a, mpf(0)) else +a,
    "softshrink": lambda a: shrunk(a, mpf(0.5)),
    "hardshrink": lambda a: +a if less(mpf(0.5), magnitude(a)) else mpf(0),
    "threshold": lambda a: +a if less(mpf(0.5), a) else mpf(0.5),
    "clamp": lambda a: clamped(a, mpf(0), mpf(1)),
    "clamp_min": lambda a: larger(a, mpf(0)),
    "sqrt": lambda a: mp.sqrt(a) if a >= 0 else NAN,
    "log": logarithm,
    "log1p": lambda a: logarithm(1 + a),
    "exp": exponential,
    "expm1": lambda a: exponential(a) - 1 if abs(a) > FARTHEST else mp.expm1(a),
    "sin": mp.sin,
    "cos": mp.cos,
    "tanh": lambda a: mp.sign(a) if abs(a) > FARTHEST else mp.tanh(a),
    "sigmoid": lambda a: 1 / (1 + exponential(-a)),
    "softplus": lambda a: +a if a > FARTHEST else mp.log1p(exponential(a)),
    "reciprocal": lambda a: divided(mpf(1), a),
    "square": lambda a: a * a,
    "pow_half": lambda a: powered(a, mpf(0.5)),
    "pow_three_halves": lambda a: powered(a, mpf(1.5)),
    "cube": lambda a: a * a * a,
    "maximum": larger,
    "minimum": smaller,
    "xlogy": xlogy,
    "l1_loss": lambda a, b: magnitude(a - b),
    "huber_loss": huber,
    "smooth_l1_loss": huber,
    "hypot": lambda a, b: mp.sqrt(a * a + b * b),
    "positive_part": lambda a: +a if less(mpf(0), a) else mpf(0),
    "lerp": lambda a, b: a + (b - a) / 4,
    "trunc": stepped(truncated),
    "frac": lambda a: a - stepped(truncated)(a),
    "celu": lambda a: POINTWISE["expm1"](2 * a) / 2 if less(a, mpf(0)) else +a,
    "softsign": lambda a: a / (1 + magnitude(a)),
    "root_of_square": lambda a: mp.sqrt(a * a),
    "atan": mp.atan,
    "logaddexp": lambda a, b: _logsumexp([a, b]),
    "clamp_to": larger,
    **SELECTIONS,
}


def _fold(function: Callable[[Number, Number], Number]) -> Callable[[Sequence[Number]], Number]:
    def folded(values: Sequence[Number]) -> Number:
        total = +values[0]
        for value in values[1:]:
            total = guarded(function)(total, value)
        return total

    return folded


def _scan(function: Callable[[Sequence[Number]], Number]) -> Callable[[Sequence[Number]], list[Number]]:
    return lambda values: [function(values[: place + 1]) for place in range(len(values))]


def ordered(values: Sequence[Number]) -> list[Number]:
    """Return numbers in ascending order, by insertion, and NaN above all of them."""
    found: list[Number] = []
    numbers = [value for value in values if not mp.isnan(value)]
    for value in numbers:
        place = 0
        while place < len(found) and not less(value, found[place]):
            place += 1
        found.insert(place, value)
    return found + [NAN] * (len(values) - len(numbers))


def _median(values: Sequence[Number]) -> Number:
    return NAN if any(map(mp.isnan, values)) else ordered(values)[(len(values) - 1) // 2]


def _total(values: Sequence[Number]) -> Number:
    return _fold(lambda a, b: a + b)(values)


def _mean(values: Sequence[Number]) -> Number:
    return _total(values) / len(values)


def _variance(values: Sequence[Number]) -> Number:
    values = [value - values[0] for value in values]  # equal numbers have none, be their mean not exact
    mean = _mean(values)
    return divided(_total([(value - mean) ** 2 for value in values]), mpf(len(values) - 1))


def _logsumexp(values: Sequence[Number]) -> Number:
    if any(map(mp.isnan, values)):
        return NAN
    top = max(values)
    return top if mp.isinf(top) else top + mp.log(_total([exponential(value - top) for value in values]))


def _cube_root(value: Number) -> Number:
    return +value if value == 0 or not mp.isfinite(value) else mp.cbrt(value)


def _normalized(values: Sequence[Number]) -> list[Number]:
    length = LARGEST([_root(_total([value * value for value in values])), mpf(1e-12)])
    return [guarded(divided)(value, length) for value in values]


def _root(value: Number) -> Number:
    return guarded(POINTWISE["sqrt"])(value)


LARGEST, LEAST = _fold(larger), _fold(smaller)
PRODUCT = _fold(lambda a, b: a * b)

REDUCTIONS: Mapping[str, Callable[[Sequence[Number]], Value]] = {
    "sum": _total,
    "mean": _mean,
    "prod": PRODUCT,
    "amax": LARGEST,
    "amin": LEAST,
    "max": LARGEST,
    "min": LEAST,
    "median": _median,
    "norm": lambda values: _root(_total([value * value for value in values])),
    "norm1": lambda values: _total([guarded(magnitude)(value) for value in values]),
    "norm_inf": lambda values: LARGEST([guarded(magnitude)(value) for value in values]),
    "var": _variance,
    "std": lambda values: _root(_variance(values)),
    "logsumexp": _logsumexp,
    "first": lambda values: +values[0],
    "range": lambda values: LARGEST(values) - LEAST(values),
    "norm3": lambda values: _cube_root(_total([guarded(magnitude)(value) ** 3 for value in values])),
    "kthvalue": lambda values: ordered(values)[0],
    "log_softmax": lambda values: [value - _logsumexp(values) for value in values],
    "normalize": _normalized,
    "flip": lambda values: [+value for value in values[::-1]],
    "sort": ordered,
    "topk": lambda values: ordered(values)[::-1][:2],
    "cumsum": _scan(_total),
    "cumprod": _scan(PRODUCT),
    "cummax": _scan(LARGEST),
    "cummin": _scan(LEAST),
    "logcumsumexp": _scan(_logsumexp),
    "centred": lambda values: [value - _mean(values) for value in values],
    "softmax": lambda values: [guarded(lambda v: exponential(v - _logsumexp(values)))(value) for value in values],
}


def compute(op: str, operands: Sequence[Value]) -> Value:
    """Return what an op makes of its operands."""
    if op in POINTWISE:
        return pointwise(POINTWISE[op])(*operands)
    return REDUCTIONS[op](*operands)
