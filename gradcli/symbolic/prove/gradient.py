"""The derivative of a circuit, as nodes of the same circuit: by the chain rule, each function's derivative by sympy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import sympy

from gradcli.errors import NotSupportedError
from gradcli.ops.functions import FUNCTION_OF
from gradcli.symbolic.derive.translate import FUNCTIONS

Node = tuple[str | int, ...]
# Functions that are constant between their jumps, and what a gradient does not pass.
FLAT = frozenset(
    {"lt", "le", "gt", "ge", "eq", "ne", "logical_and", "logical_or", "logical_not", "floor", "ceil", "detach", "delta"}
)
BESSEL = {("besselj", 0): "bessel_j0", ("besselj", 1): "bessel_j1", ("besseli", 0): "i0", ("besseli", 1): "special.i1"}
ATOMS = frozenset({"number", "leaf", "pi", "infinity", "nan", "unknown"})
NAMES: Mapping[str, str] = {
    "exp": "exp",
    "log": "log",
    "loggamma": "lgamma",
    **{f.sympy: f.name for f in FUNCTION_OF.values() if f.primitive and f.sympy and f.order is None},
}


class Gradient:
    """Adds the derivative of Σ cotangent · output to a circuit."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self._known = {node: place for place, node in enumerate(nodes)}
        self._smooth: list[bool] = []

    def node(self, name: str, *operands: int | str) -> int:
        """Return the number of a node, which is made once."""
        key = (name, *operands)
        if key not in self._known:
            self._known[key] = len(self.nodes)
            self.nodes.append(key)
        return self._known[key]

    def number(self, value: Any) -> int:
        """Return the node of a rational number."""
        return self.node("number", str(value))

    def pulled_back(self, outputs: Sequence[int], cotangents: Sequence[int]) -> dict[int, int]:
        """Return the node of the derivative by every node that the outputs depend on."""
        terms: dict[int, list[int]] = {}
        for output, cotangent in zip(outputs, cotangents, strict=True):
            terms.setdefault(output, []).append(cotangent)
        found: dict[int, int] = {}
        for place in range(max(outputs, default=-1), -1, -1):
            if place not in terms:
                continue
            found[place] = self.sum(terms[place])
            for operand, factor in self._local(place):
                terms.setdefault(operand, []).append(self.product(found[place], factor))
        return found

    def depends(self, place: int) -> bool:
        """Return whether a gradient passes from a node to some leaf."""
        for node in self.nodes[len(self._smooth) : place + 1]:
            name, *operands = node
            passes = name not in ATOMS and name not in FLAT
            self._smooth.append(name == "leaf" or (passes and any(self._smooth[int(o)] for o in operands)))
        return self._smooth[place]

    def sum(self, terms: Sequence[int]) -> int:
        """Return the node of a sum."""
        return terms[0] if len(terms) == 1 else self.node("sum", *terms)

    def product(self, one: int, other: int) -> int:
        """Return the node of a product."""
        return one if self.nodes[other] == ("number", "1") else self.node("mul", one, other)

    def _local(self, place: int) -> list[tuple[int, int]]:
        """Return the operands that a node depends on smoothly, each with the node of its derivative."""
        name, *operands = self.nodes[place]
        if name in ATOMS or name in FLAT:
            return []
        if name == "sum":
            return [(int(operand), self.number(1)) for operand in operands]
        if name == "where":
            test, then, otherwise = map(int, operands)
            one, zero = self.number(1), self.number(0)
            return [(then, self.node("where", test, one, zero)), (otherwise, self.node("where", test, zero, one))]
        if name == "inverse":
            return list(self._of_inverse(*map(int, operands)))
        return [
            (int(operand), self._derivative(str(name), [int(o) for o in operands], position))
            for position, operand in enumerate(operands)
            if self.depends(int(operand))
        ]

    def _of_inverse(self, row: int, column: int, *matrix: int) -> Iterator[tuple[int, int]]:
        """Yield the derivative of an entry of an inverse by each entry of the matrix: ∂Y_ij/∂A_kl = -Y_ik Y_lj.

        That is from A Y = 1, of which the differential is dA Y + A dY = 0.
        """
        size = math.isqrt(len(matrix))
        for place, operand in enumerate(matrix):
            if self.depends(operand):
                k, other = map(self.number, divmod(place, size))
                factors = self.node("inverse", row, k, *matrix), self.node("inverse", other, column, *matrix)
                yield operand, self.node("neg", self.node("mul", *factors))

    def _derivative(self, name: str, operands: list[int], position: int) -> int:
        numbers = tuple(str(self.nodes[o][1]) if self.nodes[o][0] == "number" else None for o in operands)
        exact = tuple(text if text is not None and _is_whole(text) else None for text in numbers)
        symbols = dict(zip(_symbols(len(operands)), operands, strict=True))
        return self._written(_by(name, exact, position), symbols)

    def _written(self, expression: Any, symbols: Mapping[Any, int]) -> int:
        """Return the node of sympy's expression."""
        if expression in symbols:
            return symbols[expression]
        write = partial(self._written, symbols=symbols)
        if expression.is_Rational:
            return self.number(expression)
        if expression == sympy.pi:
            return self.node("pi")
        if expression.is_Add:
            return self.sum([write(term) for term in expression.args])
        if expression.is_Mul:
            first, *rest = [write(factor) for factor in expression.args]
            for factor in rest:
                first = self.node("mul", first, factor)
            return first
        if expression.is_Pow:
            return self.node("pow", write(expression.base), write(expression.exp))
        return self._function(expression, write)

    def _function(self, expression: Any, write: Callable[[Any], int]) -> int:
        name = type(expression).__name__
        if name in {"besselj", "besseli", "polygamma"}:
            known = BESSEL.get((name, int(expression.args[0])))
            given = expression.args[1:] if known else expression.args
            return self.node(known or name, *map(write, given))
        if name not in NAMES:
            msg = f"the derivative holds {name}"
            raise NotSupportedError(msg)
        return self.node(NAMES[name], *map(write, expression.args))


def _is_whole(text: str) -> bool:
    return text.lstrip("-").isdigit()


@lru_cache(maxsize=8)
def _symbols(count: int) -> tuple[Any, ...]:
    return tuple(sympy.Symbol(f"operand{place}", real=True) for place in range(count))


@lru_cache(maxsize=512)
def _by(name: str, exact: tuple[str | None, ...], position: int) -> Any:
    """Return sympy's derivative of a function by one operand; whole numbers stand for themselves."""
    if name not in FUNCTIONS:
        msg = f"{name} is not a function that is differentiated here"
        raise NotSupportedError(msg)
    symbols = _symbols(len(exact))
    given = [s if text is None else sympy.Integer(text) for s, text in zip(symbols, exact, strict=True)]
    given[position] = symbols[position]
    return sympy.diff(FUNCTIONS[name](*given), symbols[position])
