"""What is shared by everything that is composed for one program: index symbols, and what tensors are called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

import sympy
from sympy import Expr, Indexed, IndexedBase, Integer, Rational, Symbol

SMALL = 1e-3
# What is smaller is no quotient of lengths; what has few digits is none of most.
TINY, DIGITS = 1e-12, 3
Indices = tuple[Expr, ...]


class NoFormulaError(Exception):
    """A value has no formula in index notation, or none of a size to read."""


@dataclass(slots=True)
class Template:
    """An expression over index symbols; `at` puts other indices in their places."""

    symbols: Indices
    body: Expr

    def at(self, indices: Sequence[Expr]) -> Expr:
        """Return the expression at other indices."""
        pairs = zip(self.symbols, indices, strict=True)
        return self.body.xreplace({symbol: index for symbol, index in pairs if isinstance(symbol, Symbol)})


@dataclass(frozen=True, slots=True)
class Picked:
    """A tensor of another's entries: `one_hot` is 1 at the place that is read of, or written to, for each of `many`."""

    one_hot: str
    """The name of which flat place of the larger tensor belongs to each entry of the smaller one."""
    shape: tuple[int, ...]
    """The shape of the source."""
    source: Template
    """Its entries."""
    is_read: bool
    """Whether entries are read, one for each of the result's; else they are added up, each at its place."""


@dataclass(slots=True)
class Scope:
    """Index symbols and what tensors are called: shared by everything that is composed for one program."""

    sizes: dict[Symbol, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    nameless: dict[str, str] = field(default_factory=dict)
    """The sums of exponentials, which have no name; and what their logarithms are called."""
    symmetric: set[str] = field(default_factory=set)
    """The tensors that are equal to their transpose."""
    positive: set[str] = field(default_factory=set)
    """The tensors whose entries are positive."""
    of_matrices: dict[str, tuple[str, int]] = field(default_factory=dict)
    """What tensors are functions of matrices: which, and the node of the matrix."""
    reshaped: dict[str, tuple[tuple[int, ...], Template]] = field(default_factory=dict)
    """The shapes and entries of what tensors that stand for others in a new shape were before."""
    picked: dict[str, Picked] = field(default_factory=dict)
    """What tensors that stand for entries of others at places that follow no line are sums of."""
    bands: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)
    """The first and last diagonals of matrices whose other entries are 0, None at their ends."""
    lengths: tuple[str, ...] = ()
    """What lengths are called, and so no index is."""
    names_constants: bool = False
    """Whether small constants, such as what keeps a divisor from 0, stay as they are written."""
    _counter: Any = field(default_factory=count)

    def ordered(self, body: Expr) -> Expr:
        """Return an expression in which every symmetric matrix is read at its indices in one order."""
        reads = [atom for atom in body.atoms(Indexed) if atom.base.label.name in self.symmetric]
        return body.xreplace({read: read.base[_in_order(read.indices)] for read in reads}) if reads else body

    def with_names(self, body: Expr) -> Expr:
        """Return an expression whose small constants are names, so that nothing is multiplied or divided by them."""
        small = [number for number in body.atoms(Rational) if 0 < number < SMALL and _is_written(number)]
        if not self.names_constants or not small:
            return body
        return body.xreplace({number: self._constant(number) for number in small})

    def infinity(self, value: float) -> Symbol:
        """Return what stands for an infinite number: nothing is computed with it."""
        key = "infinity" if value > 0 else "minus_infinity"
        self.names[key], self.shapes[key] = ("inf" if value > 0 else "-inf"), ()
        return Symbol(key, real=True)

    def _constant(self, number: Rational) -> Symbol:
        key = f"e{number.p}_{number.q}"
        self.names[key], self.shapes[key] = repr(float(number)), ()
        return Symbol(key, real=True, positive=True)

    def fresh(self, shape: Iterable[int]) -> Indices:
        """Return new index symbols for the axes of a shape; an axis of length 1 has index 0."""
        return tuple(Integer(0) if size == 1 else self._symbol(size) for size in shape)

    def _symbol(self, size: int) -> Symbol:
        symbol = Symbol(f"k{next(self._counter):05d}", integer=True, nonnegative=True)
        self.sizes[symbol] = size
        return symbol

    def tensor(self, place: int, prefix: str, name: str, shape: tuple[int, ...]) -> Template:
        """Return a tensor that stands for itself, shown by its name."""
        key = f"{prefix}{place:05d}"
        self.names[key], self.shapes[key] = name, shape
        symbols = self.fresh(shape)
        known = {"positive": True} if key in self.positive else {"real": True}
        if not shape:
            return Template((), Symbol(key, **known))
        return Template(symbols, IndexedBase(key, **known)[symbols])


def _is_written(number: Rational) -> bool:
    """Tell whether a small number is one that somebody wrote, as 1e-05 is, and no quotient of lengths."""
    digits = f"{float(number):e}".partition("e")[0].rstrip("0").replace(".", "")
    return bool(number < TINY) or (len(digits) <= DIGITS and sympy.Rational(str(float(number))) == number)


def _in_order(indices: Sequence[Expr]) -> tuple[Expr, ...]:
    *batch, row, column = indices
    return (*batch, *sorted((row, column), key=sympy.default_sort_key))


class Composed(Protocol):
    """What has the entries and adjoints of all nodes."""

    scope: Scope
    adjoints: dict[int, Template]
    is_differentiated: bool

    def entry(self, place: int) -> Template:
        """Return a node's value."""

    def shape(self, place: int) -> tuple[int, ...]:
        """Return a node's shape."""
