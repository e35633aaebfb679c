"""Complex arithmetic on a circuit: pairs of nodes, by what they are of real numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from gradcli.execution.proof.circuit import Circuit, Pair, UnprovableError

Value: TypeAlias = "int | Pair"


class Complexes:
    """Runs functions of complex numbers; `real` makes the node of a function of real ones."""

    def __init__(self, circuit: Circuit, real: Callable[..., Any]) -> None:
        self._real = real
        self._zero = circuit.number(0)

    def apply(self, name: str, values: Sequence[Value]) -> Any:
        """Return a function of values of which some are pairs; UnprovableError where there is no formula of it."""
        pairs = [self._pair(value) for value in values]
        match name:
            case "real":
                return pairs[0].real
            case "imag":
                return pairs[0].imaginary
            case "conj":
                return Pair(pairs[0].real, self._real("neg", pairs[0].imaginary))
            case "neg" | "add" | "sub":
                return self._by_parts(name, pairs)
            case "sum":
                return self._sum(pairs)
            case "mul":
                return self._product(*pairs)
            case "div":
                return self._product(pairs[0], self._inverse(pairs[1]))
            case "exp":
                return self._exponential(pairs[0])
        return self._decided(name, values, pairs)

    def _decided(self, name: str, values: Sequence[Value], pairs: Sequence[Pair]) -> Any:
        match name:
            case "where" if not isinstance(values[0], Pair):
                return self._by_parts("where", pairs[1:], values[0])
            case "eq":
                return self._real("logical_and", *self._tests(pairs))
            case "ne":
                return self._real("logical_not", self._real("logical_and", *self._tests(pairs)))
        msg = f"{name} of complex numbers has no formula here"
        raise UnprovableError(msg)

    def _pair(self, value: Value) -> Pair:
        return value if isinstance(value, Pair) else Pair(value, self._zero)

    def _by_parts(self, name: str, pairs: Sequence[Pair], *first: Value) -> Pair:
        real, imaginary = [pair.real for pair in pairs], [pair.imaginary for pair in pairs]
        return Pair(self._real(name, *first, *real), self._real(name, *first, *imaginary))

    def _tests(self, pairs: Sequence[Pair]) -> tuple[int, int]:
        one, other = pairs
        return self._real("eq", one.real, other.real), self._real("eq", one.imaginary, other.imaginary)

    def _sum(self, pairs: Sequence[Pair]) -> Pair:
        parts = [pair.real for pair in pairs], [pair.imaginary for pair in pairs]
        return Pair(*(self._real("sum", *(node for node in part if node != self._zero)) for part in parts))

    def _product(self, one: Pair, other: Pair) -> Pair:
        less = self._times(one.imaginary, other.imaginary)
        real = self._times(one.real, other.real)
        crossed = self._times(one.real, other.imaginary), self._times(one.imaginary, other.real)
        return Pair(
            real if less == self._zero else self._real("sub", real, less),
            self._real("sum", *(term for term in crossed if term != self._zero)),
        )

    def _times(self, one: int, other: int) -> int:
        """Return a product; where a part is 0 there is none."""
        node: int = self._zero if self._zero in {one, other} else self._real("mul", one, other)
        return node

    def _inverse(self, value: Pair) -> Pair:
        square = self._real("sum", *(self._real("mul", part, part) for part in (value.real, value.imaginary)))
        real, imaginary = value.real, self._real("neg", value.imaginary)
        return Pair(self._real("div", real, square), self._real("div", imaginary, square))

    def _exponential(self, value: Pair) -> Pair:
        size = self._real("exp", value.real)
        parts = [self._real("mul", size, self._real(name, value.imaginary)) for name in ("cos", "sin")]
        return Pair(*parts)
