"""A sum of a product over indices, written as PyTorch would: matrix products where they fit, else sums and einsum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

from sympy import Expr, Indexed, Mul, Symbol

from gradcli.symbolic.write.branches import apart
from gradcli.symbolic.write.broadcasting import Axes, permuted
from gradcli.symbolic.write.printer import NotWritableError
from gradcli.symbolic.write.text import Printed, call, matmul, product

MATRIX = 2
LETTERS = "ijklmnopqrstuvwxyz"


class Writer(Protocol):
    """What writes factors and brings them together."""

    def write(self, node: Expr) -> Printed:
        """Return an expression as text and LaTeX."""

    def trace(self, node: Indexed) -> Printed:
        """Return the trace of the matrix whose diagonal is read."""

    def joined(self, pieces: Sequence[Printed]) -> tuple[list[Printed], Axes]:
        """Return pieces that broadcast against each other, and the axes of the result."""


def contract(writer: Writer, body: Expr, summed: Sequence[Symbol], order: Sequence[Symbol]) -> Printed:
    """Return Σ body over the indices `summed`; `order` is the order of axes that is wanted in the end."""
    factors = apart(Mul.make_args(body))
    plain = _inner_product(writer, factors, summed) or _trace(writer, factors, summed)
    if plain is not None:
        return plain
    work = _Contraction(writer, _grouped(writer, factors), list(summed), list(order))
    work.run()
    return work.result()


def _inner_product(writer: Writer, factors: list[Expr], summed: Sequence[Symbol]) -> Printed | None:
    if len(factors) != MATRIX or len(summed) != 1 or not all(isinstance(factor, Indexed) for factor in factors):
        return None
    left, right = (writer.write(factor) for factor in factors)
    return matmul(left, right) if left.axes == right.axes == tuple(summed) else None


def _trace(writer: Writer, factors: list[Expr], summed: Sequence[Symbol]) -> Printed | None:
    if len(factors) != 1 or not isinstance(factors[0], Indexed) or factors[0].indices != tuple(summed) * MATRIX:
        return None
    return writer.trace(factors[0])


def _grouped(writer: Writer, factors: list[Expr]) -> list[Printed]:
    """Return the factors, those over the same indices multiplied."""
    groups: dict[frozenset[Symbol], list[Expr]] = {}
    for factor in factors:
        indices = frozenset(symbol for symbol in factor.free_symbols if symbol.is_integer)
        groups.setdefault(indices, []).append(factor)
    return [writer.write(Mul(*group)) for group in groups.values()]


def _symbols(piece: Printed) -> set[Symbol]:
    return {axis for axis in piece.axes if axis is not None}


@dataclass(slots=True)
class _Contraction:
    writer: Writer
    pieces: list[Printed]
    summed: list[Symbol]
    order: list[Symbol]

    def run(self) -> None:
        """Bring pieces together, two at a time, until every index is summed."""
        while self.summed:
            if not (self._matmul() or self._multiply() or self._sum()):
                self._einsum()

    def result(self) -> Printed:
        """Return the product of what is left."""
        if len(self.pieces) == 1:
            return self.pieces[0]
        pieces, axes = self.writer.joined(self.pieces)
        return product(pieces).with_axes(axes)

    def _holders(self, index: Symbol) -> list[Printed]:
        return [piece for piece in self.pieces if index in piece.axes]

    def _replace(self, old: Sequence[Printed], new: Printed, index: Symbol | None = None) -> bool:
        first = self.pieces.index(old[0])
        self.pieces[first] = new
        for piece in old[1:]:
            self.pieces.remove(piece)
        if index is not None:
            self.summed.remove(index)
        return True

    def _matmul(self) -> bool:
        """Multiply two matrices (or a matrix and a vector) which share a summed index that no other piece has."""
        for index in self.summed:
            holders = self._holders(index)
            if len(holders) != MATRIX or any(len(_symbols(piece)) > MATRIX for piece in holders):
                continue
            left, right = holders
            if _symbols(left) & _symbols(right) == {index} and len(_symbols(left) | _symbols(right)) > 1:
                return self._replace(holders, self._product(left, right, index), index)
        return False

    def _product(self, left: Printed, right: Printed, index: Symbol) -> Printed:
        vectors = [piece for piece in (left, right) if len(_symbols(piece)) == 1]
        if vectors:
            return self._with_vector(right if vectors[0] is left else left, vectors[0], index)
        (row,), (column,) = _symbols(left) - {index}, _symbols(right) - {index}
        if self._key(column) < self._key(row):
            left, right, row, column = right, left, column, row
        shown = matmul(permuted(left, [row, index]), permuted(right, [index, column]))
        return shown.with_axes([row, column])

    def _with_vector(self, matrix: Printed, vector: Printed, index: Symbol) -> Printed:
        (kept,) = _symbols(matrix) - {index}
        own = [axis for axis in matrix.axes if axis is not None]
        matrix, vector = permuted(matrix, own), permuted(vector, [index])
        shown = matmul(vector, matrix) if own[0] == index else matmul(matrix, vector)
        return shown.with_axes([kept])

    def _key(self, index: Symbol) -> float:
        """Return where an index stands: the first of the target, those still to be summed, the rest of the target."""
        return 0.5 if index not in self.order else float(self.order.index(index))

    def _multiply(self) -> bool:
        """Multiply a piece into one that has all of its indices."""
        for left, right in combinations(self.pieces, 2):
            if _symbols(left) <= _symbols(right) or _symbols(right) <= _symbols(left):
                pieces, axes = self.writer.joined([left, right])
                return self._replace([left, right], product(pieces).with_axes(axes))
        return False

    def _sum(self) -> bool:
        """Sum the indices that only one piece holds."""
        for piece in self.pieces:
            own = [index for index in self.summed if self._holders(index) == [piece]]
            if own:
                self._replace([piece], _summed(piece, own))
                self.summed = [index for index in self.summed if index not in own]
                return True
        return False

    def _einsum(self) -> None:
        """Sum everything at once."""
        pieces = [permuted(piece, [axis for axis in piece.axes if axis is not None]) for piece in self.pieces]
        used: list[Symbol] = list(dict.fromkeys(axis for piece in pieces for axis in piece.axes if axis is not None))
        letters = dict(zip(used, LETTERS, strict=False))
        if len(letters) < len(used):
            raise NotWritableError
        out = sorted((axis for axis in used if axis not in self.summed), key=lambda axis: (self._key(axis), axis.name))
        spelled = ",".join("".join(letters[axis] for axis in piece.axes if axis is not None) for piece in pieces)
        equation = f'"{spelled}->{"".join(letters[axis] for axis in out)}"'
        first = Printed(equation, rf"\texttt{{{equation}}}")
        self.pieces, self.summed = [call("einsum", first, *pieces).with_axes(out)], []


def _summed(piece: Printed, indices: Sequence[Symbol]) -> Printed:
    """Return the sum of a piece along the axes of some indices."""
    left = [axis for axis in piece.axes if axis not in indices]
    if all(axis is None for axis in left):
        return call("sum", piece, latex=r"\sum")
    dims = [position for position, axis in enumerate(piece.axes) if axis in indices]
    dim = str(dims[0]) if len(dims) == 1 else str(tuple(dims))
    subscript = dim.strip("()")
    return call("sum", piece, latex=rf"\sum_{{{subscript}}}", options=f"dim={dim}").with_axes(left)
