"""Numbers that carry their derivative by every leaf entry, at 30 digits: forward mode, one scalar at a time.

The slopes of a function are sympy's derivatives of a scalar expression in scalar symbols. Nothing here knows tensors,
index notation or gradcli.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import mpmath
import numpy as np
import sympy

mpmath.mp.dps = 30

Number: TypeAlias = "Dual | float | int"


def scalar_only(method: Callable[[Dual, Any], Any]) -> Callable[[Dual, Any], Any]:
    """Leave arrays to numpy, which calls back for each of their entries."""

    def checked(self: Dual, other: Any) -> Any:
        return NotImplemented if isinstance(other, np.ndarray) else method(self, other)

    return checked


class Dual:
    """A value and its slope by each entry of each leaf; absent slopes are zero."""

    __slots__ = ("slopes", "value")

    def __init__(self, value: Any, slopes: dict[Any, Any] | None = None) -> None:
        self.value = mpmath.mpf(value)
        self.slopes = slopes or {}

    @scalar_only
    def __add__(self, other: Number) -> Dual:
        other = dual(other)
        return Dual(self.value + other.value, combined([(1, self), (1, other)]))

    @scalar_only
    def __sub__(self, other: Number) -> Dual:
        return self + dual(other) * -1

    @scalar_only
    def __mul__(self, other: Number) -> Dual:
        other = dual(other)
        return Dual(self.value * other.value, combined([(other.value, self), (self.value, other)]))

    @scalar_only
    def __truediv__(self, other: Number) -> Dual:
        return self * apply(lambda x: 1 / x, other)

    def __neg__(self) -> Dual:
        return self * -1

    @scalar_only
    def __pow__(self, exponent: Number) -> Dual:
        if isinstance(exponent, int):
            return apply(lambda x: x**exponent, self, key=("pow", exponent))
        return apply(lambda x, y: x**y, self, exponent, key="pow")

    @scalar_only
    def __radd__(self, other: Number) -> Dual:
        return self + other

    @scalar_only
    def __rsub__(self, other: Number) -> Dual:
        return dual(other) - self

    @scalar_only
    def __rmul__(self, other: Number) -> Dual:
        return self * other

    @scalar_only
    def __rtruediv__(self, other: Number) -> Dual:
        return dual(other) / self

    @scalar_only
    def __rpow__(self, base: Number) -> Dual:
        return dual(base) ** self

    @scalar_only
    def __lt__(self, other: Number) -> bool:
        return bool(self.value < dual(other).value)

    @scalar_only
    def __gt__(self, other: Number) -> bool:
        return bool(self.value > dual(other).value)

    @scalar_only
    def __le__(self, other: Number) -> bool:
        return not self > other

    @scalar_only
    def __ge__(self, other: Number) -> bool:
        return not self < other

    def __abs__(self) -> Dual:
        return -self if self.value < 0 else self


def dual(value: Any) -> Dual:
    """Return a number as a constant; a Dual as it is."""
    return value if isinstance(value, Dual) else Dual(value if isinstance(value, mpmath.mpf) else float(value))


def combined(parts: list[tuple[Any, Dual]]) -> dict[Any, Any]:
    """Return the sum of slopes, each times a factor: the chain rule."""
    found: dict[Any, Any] = {}
    for factor, number in parts:
        for entry, slope in number.slopes.items():
            found[entry] = found.get(entry, 0) + factor * slope
    return found


_COMPILED: dict[Any, Any] = {}


def apply(function: Callable[..., Any], *arguments: Number, key: Any = None) -> Dual:
    """Return a function of scalars; `function` takes and returns sympy expressions."""
    numbers = [dual(argument) for argument in arguments]
    compiled = _COMPILED.setdefault(key or function.__code__, None) or compile_(function, len(numbers), key)
    value, *slopes = compiled(*(number.value for number in numbers))
    return Dual(value, combined(list(zip(slopes, numbers, strict=True))))


def compile_(function: Callable[..., Any], count: int, key: Any) -> Any:
    """Return a function's value and slopes as a function of numbers."""
    symbols = sympy.symbols(f"s:{count}", real=True)
    expression = sympy.sympify(function(*symbols))
    wanted = [expression, *(sympy.diff(expression, symbol) for symbol in symbols)]
    _COMPILED[key or function.__code__] = compiled = sympy.lambdify(symbols, wanted, "mpmath")
    return compiled


@cache
def elementary(function: Callable[..., Any]) -> Callable[..., Dual]:
    """Return one of sympy's functions, or a scalar formula in them, as a function of numbers."""

    def evaluated(*arguments: Number) -> Dual:
        return apply(function, *arguments, key=function)

    return evaluated
