"""Sympy's text of a derivative, run as it is shown, and evaluated where every tensor has values."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

import sympy
from sympy import Expr, Float, Indexed, Integer, Piecewise, Sum, Symbol
from sympy.tensor.array import NDimArray

from gradcli.derivation.single_entries import EntriesRequest

DIGITS = 30


def entries(request: EntriesRequest) -> list[float]:
    """Return the entries at the places that are asked for, as many as there is time for, but one at least.

    What is no real number is NaN. The text is of our own words and the names of leaves.
    """
    try:
        return _entries(request)
    except (NameError, TypeError, AttributeError, LookupError) as error:  # of the text
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _entries(request: EntriesRequest) -> list[float]:
    end = monotonic() + request.seconds
    space: dict[str, Any] = {}
    exec(request.declarations, space)  # noqa: S102 (see above)
    expression = sympy.sympify(eval(request.expression, space))  # noqa: S307 (see above)
    found: list[float] = []
    for place in request.places:
        if found and monotonic() > end:
            break
        own = zip(request.free, place, strict=bool(request.free))
        known = {space[letter]: Integer(index) for letter, index in own if letter != "0"}
        found.append(_real(_Evaluation(request.values, known).of(expression)))
    return found


def _real(value: Any) -> float:
    number = sympy.N(value, DIGITS)
    return float(number) if number.is_extended_real else float("nan")


class _Evaluation:
    """The value of an expression; only the branch that is taken is evaluated."""

    def __init__(self, values: Mapping[str, Any], indices: Mapping[Symbol, Expr]) -> None:
        self.values, self.indices = values, indices

    def of(self, node: Any) -> Any:
        """Return the value of an expression, or of a condition."""
        match node:
            case Indexed():
                return self._read(node)
            case Sum():
                return self._sum(node.function, node.limits)
            case Piecewise():
                return next((self.of(branch.expr) for branch in node.args if self.of(branch.cond)), sympy.nan)
            case Symbol():
                return self.indices[node] if node in self.indices else _number(self.values[node.name])
        return node.func(*map(self.of, node.args)) if node.args else node

    def _read(self, node: Indexed) -> Any:
        places = [int(self.of(index)) for index in node.indices]
        if isinstance(node.base, NDimArray):
            return node.base[tuple(places)]
        value = self.values[node.base.label.name]
        for place in places:
            value = value[place]
        return _number(value)

    def _sum(self, body: Any, limits: tuple[Any, ...]) -> Any:
        """Return a sum; the last of the limits is the outermost."""
        if not limits:
            return self.of(body)
        *inner, (letter, low, high) = limits
        places = range(int(self.of(low)), int(self.of(high)) + 1)
        own = (_Evaluation(self.values, {**self.indices, letter: Integer(place)}) for place in places)
        return sympy.Add(*(one._sum(body, tuple(inner)) for one in own))  # noqa: SLF001 (its own)


def _number(value: Any) -> Any:
    return Integer(value) if isinstance(value, int) else Float(value, DIGITS)
