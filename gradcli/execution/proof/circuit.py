"""A circuit: scalar functions of scalar functions, down to the entries of leaves and numbers.

A tensor of such values holds codes: a code is the number of a node, far above all numbers that programs compute with,
or a number itself. So whatever only moves entries is run by PyTorch on codes, and shows where each entry comes from.
A complex value is a pair of nodes; its code is the complex number of both codes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

# The code of node k. No constant of a program comes near; float64 holds every code exactly.
FIRST = 1 << 51
MOST_NODES = 100_000


class UnprovableError(Exception):
    """Something is not a function that a circuit can hold; the message says what."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A complex value, by the nodes of its parts."""

    real: int
    imaginary: int


@dataclass(slots=True)
class Circuit:
    """Nodes, each a function's name and its operands: those of leaves and constants hold their text."""

    nodes: list[tuple[str, ...] | tuple[str | int, ...]] = field(default_factory=list)
    different: set[frozenset[int]] = field(default_factory=set)
    """Nodes that are never equal: the places of what was sorted."""
    _numbers: dict[tuple[str | int, ...], int] = field(default_factory=dict)

    def node(self, name: str, *operands: int | str) -> int:
        """Return the number of a node, which is made once."""
        key = (name, *operands)
        if key not in self._numbers:
            if any(isinstance(operand, Pair) for operand in operands):
                msg = f"{name} of complex numbers has no formula here"
                raise UnprovableError(msg)
            if len(self.nodes) >= MOST_NODES:
                msg = f"the backward takes more than {MOST_NODES:,} operations on single entries"
                raise UnprovableError(msg)
            self._numbers[key] = len(self.nodes)
            self.nodes.append(key)
        return self._numbers[key]

    def number(self, value: complex) -> int:
        """Return the node of a constant; UnprovableError for a complex one."""
        if isinstance(value, complex):
            msg = f"{value} is not a real number"
            raise UnprovableError(msg)
        if math.isinf(value):
            return self.node("infinity", "1" if value > 0 else "-1")
        if math.isnan(value):
            return self.node("nan")
        return self.node("number", repr(int(value)) if value == int(value) else repr(float(value)))

    def leaf(self, name: str, index: Sequence[int]) -> int:
        """Return the node of an entry of a leaf."""
        return self.node("leaf", name + (f"[{', '.join(map(str, index))}]" if index else ""))

    def leaves(self, name: str, shape: Sequence[int]) -> Entries:
        """Return a leaf, an unknown for each of its entries."""
        places = (
            [list(index) for index in torch.cartesian_prod(*map(torch.arange, shape)).reshape(-1, len(shape)).tolist()]
            if shape
            else [[]]
        )
        return Entries(self.codes([self.leaf(name, place) for place in places], shape))

    @staticmethod
    def codes(nodes: Sequence[int], shape: Sequence[int]) -> Tensor:
        """Return nodes as a tensor of codes."""
        return (torch.tensor(nodes, dtype=torch.float64) + FIRST).reshape(tuple(shape))

    def mixed_codes(self, values: Sequence[int | Pair], shape: Sequence[int]) -> Tensor:
        """Return nodes, or pairs of nodes, as a tensor of codes: a complex one where there is a pair."""
        if not any(isinstance(value, Pair) for value in values):
            return self.codes([value for value in values if isinstance(value, int)], shape)
        zero = self.number(0)
        pairs = [value if isinstance(value, Pair) else Pair(value, zero) for value in values]
        real, imaginary = ([getattr(pair, part) for pair in pairs] for part in ("real", "imaginary"))
        return torch.complex(self.codes(real, shape), self.codes(imaginary, shape))

    def decoded(self, codes: Tensor) -> list[int]:
        """Return the node of each code, in order; UnprovableError for complex ones, which are pairs."""
        if codes.is_complex():
            raise UnprovableError("complex numbers have no formula here")
        return [self._decoded(code) for code in codes.reshape(-1).tolist()]

    def values(self, codes: Tensor) -> Sequence[int | Pair]:
        """Return the node of each code, in order, or the pair."""
        if not codes.is_complex():
            return self.decoded(codes)
        parts = (self.decoded(part) for part in (codes.real, codes.imag))
        return [Pair(*pair) for pair in zip(*parts, strict=True)]

    def _decoded(self, code: float) -> int:
        if -math.inf < code <= -FIRST:  # whatever negates a code is no move
            raise UnprovableError("a conjugate is taken as if it moved entries")
        return int(code) - FIRST if FIRST <= code < math.inf else self.number(code)


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """A tensor of values of a circuit, by their codes."""

    codes: Tensor

    @property
    def shape(self) -> torch.Size:
        """Return its shape."""
        return self.codes.shape
