"""A formula for a whole tensor, without indices, as PyTorch runs it: `A.T @ (1 - tanh(A @ x)**2)`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sympy
from sympy import Expr, Indexed, Integer, KroneckerDelta, Piecewise, Sum, Symbol

from gradcli.symbolic.write.bands import triangle
from gradcli.symbolic.write.branches import is_rectified
from gradcli.symbolic.write.broadcasting import Axes, align, broadcast, permuted
from gradcli.symbolic.write.conditions import on_indices
from gradcli.symbolic.write.contraction import contract
from gradcli.symbolic.write.printer import NotWritableError, Printer
from gradcli.symbolic.write.roots import with_rooted_number
from gradcli.symbolic.write.scope import Scope
from gradcli.symbolic.write.text import Printed, call, named, scaled, suffix

# The subscript that reads one axis, the symbol that goes along it, and whether the axis stays.
Read = tuple[str, Symbol | None, bool]


class TensorNotation(Printer):
    """Writes a gradient whose axes have the index symbols `target`."""

    def __init__(self, scope: Scope, target: Sequence[Expr]) -> None:
        super().__init__(scope)
        self.target: Axes = tuple(index if isinstance(index, Symbol) else None for index in target)
        self.order = [index for index in self.target if index is not None]
        self.sizes = dict(scope.sizes)
        self.beside: tuple[Symbol, ...] = ()

    def whole(self, body: Expr) -> Printed:
        """Return the formula of the whole tensor; what it says broadcasts to the tensor's shape."""
        coefficient, rest = with_rooted_number(body)
        piece = align(self.write(rest), self.target)
        return piece if coefficient == 1 else scaled(coefficient, piece)

    def with_all_axes(self, body: Expr) -> Printed:
        """Return the formula of the whole tensor with every axis of it, those of length 1 put in."""
        piece = self.whole(body)
        if piece.axes == self.target:
            return piece
        if [axis for axis in piece.axes if axis is not None] != self.order:
            raise NotWritableError
        places = ", ".join("None" if axis is None else ":" for axis in self.target)
        return suffix(permuted(piece, self.order), f"[{places}]").with_axes(self.target)

    def joined(self, pieces: Sequence[Printed]) -> tuple[list[Printed], Axes]:
        """Return pieces that broadcast against each other as their indices say."""
        axes = broadcast([piece.axes for piece in pieces])
        if axes is not None:
            return list(pieces), axes
        target = self._common([piece.axes for piece in pieces])
        aligned = [align(piece, target) for piece in pieces]
        axes = broadcast([piece.axes for piece in aligned])
        assert axes is not None  # noqa: S101 (aligned to common axes)
        return aligned, axes

    def _common(self, several: Sequence[Axes]) -> Axes:
        """Return axes that hold everyone's: the most frequent ones among the pieces, else in an order."""
        union = {axis for axes in several for axis in axes if axis is not None}
        whole = [axes for axes in several if set(axes) == union]
        if whole:
            return max(whole, key=whole.count)
        return tuple(sorted(union, key=lambda axis: (self._position(axis), axis.name)))

    def _position(self, axis: Symbol) -> int:
        """Return where an axis goes: as in the tensor that the piece is multiplied with, then as in the target."""
        order = [*self.beside, *self.order]
        return order.index(axis) if axis in order else len(order)

    def _triangle(self, node: Expr) -> Printed | None:
        """Return a product of which only one side of a diagonal is kept; None of any other."""
        factors = sympy.Mul.make_args(node)
        found = next(((one, sides) for one in factors if (sides := triangle(one)) is not None), None)
        if found is None:
            return None
        low, high, offset = found[1]
        rest = self.write(sympy.Mul(*[one for one in factors if one is not found[0]]))
        if not {low, high} <= {*rest.axes}:
            raise NotWritableError
        matrix = sorted((low, high), key=self._position)
        batch = [axis for axis in rest.axes if axis not in {None, low, high}]
        if any(self._position(axis) > self._position(matrix[0]) for axis in batch if axis is not None):
            raise NotWritableError
        rest = permuted(rest, [axis for axis in (*batch, *matrix) if axis is not None])
        name, diagonal = ("triu", offset) if matrix == [low, high] else ("tril", -offset)
        return call(name, rest, *([Printed(str(diagonal), str(diagonal))] if diagonal else [])).with_axes(rest.axes)

    def _product(self, node: Expr) -> Printed:
        return self._triangle(node) or self._full(node)

    def _full(self, node: Expr) -> Printed:
        before = self.beside
        reads = [factor.indices for factor in node.args if isinstance(factor, Indexed)]
        widest = tuple(index for index in max(reads, key=len, default=()) if isinstance(index, Symbol))
        self.beside = widest if len(widest) > 1 else before
        shown = super()._product(node)
        self.beside = before
        return shown

    def read(self, node: Indexed) -> Printed:
        """Return a tensor, or the part of it that is read."""
        name, reads = self._name(node), self._reads(node)
        axes = [axis for _, axis, kept in reads if kept]
        present = [axis for axis in axes if axis is not None]
        if len(present) != len(set(present)):
            _check_whole_matrix(reads)
            return call("diagonal", name, latex=r"\operatorname{diag}").with_axes(axes[:1])
        shown = _subscripted(name, [text for text, _, _ in reads]).with_axes(axes)
        whole = len(axes) == len(present) == 2 and shown.text == name.text  # noqa: PLR2004 (a matrix)
        return replace(shown, is_symmetric=whole and node.base.label.name in self.scope.symmetric)

    def trace(self, node: Indexed) -> Printed:
        """Return the trace of the matrix whose diagonal is read."""
        _check_whole_matrix(self._reads(node))
        return call("trace", self._name(node), latex=r"\operatorname{tr}")

    def _name(self, node: Indexed) -> Printed:
        return named(self.scope.names[node.base.label.name])

    def _reads(self, node: Indexed) -> list[Read]:
        shape = self.scope.shapes[node.base.label.name]
        return [self._axis(index, size) for index, size in zip(node.indices, shape, strict=True)]

    def _axis(self, index: Expr, size: int) -> Read:
        """Return how one axis is read."""
        if isinstance(index, Integer):
            return (":", None, True) if size == 1 else (str(index), None, False)
        symbols = sorted(index.free_symbols, key=str)
        if len(symbols) != 1 or symbols[0] not in self.sizes:
            raise NotWritableError
        (symbol,) = symbols
        step, base = index.coeff(symbol), index.subs(symbol, 0)
        if not (step.is_Integer and base.is_Integer and step > 0 and step * symbol + base == index):
            raise NotWritableError
        return _slice(int(base), int(step), self.sizes[symbol], size), symbol, True

    def sum(self, node: Sum) -> Printed:
        """Return a sum as a matrix product, `sum(…, dim=…)` or einsum."""
        body, summed, before = node, [], self.sizes
        self.sizes = {**before}  # a sum within another may have its index, of another range
        while isinstance(body, Sum):
            for variable, low, high in body.limits:
                if low != 0 or not high.is_Integer:
                    raise NotWritableError
                self.sizes[variable] = int(high) + 1
                summed.append(variable)
            body = body.function
        shown = contract(self, body, summed, self.order)
        self.sizes = before
        return shown

    def delta(self, node: KroneckerDelta) -> Printed:
        """Return a unit matrix."""
        left, right = node.args
        if not (left in self.sizes and right in self.sizes and self.sizes[left] == self.sizes[right]):
            raise NotWritableError
        axes = sorted((left, right), key=self._position)
        return Printed(f"eye({self.sizes[left]})", f"I_{{{self.sizes[left]}}}").with_axes(axes)

    def choice(self, node: Piecewise) -> Printed:
        """Return `where`."""
        (value, test), *rest = node.args
        if on_indices(test):
            raise NotWritableError
        if is_rectified(node):
            inner = self.write(value)
            return call("relu", inner).with_axes(inner.axes)
        otherwise = rest[0].expr if len(rest) == 1 and rest[0].cond == sympy.true else Piecewise(*rest)
        pieces, axes = self.joined([self.write(test), self.write(value), self.write(otherwise)])
        return call("where", *pieces).with_axes(axes)

    def index(self, node: Symbol) -> Printed:  # noqa: ARG002 (one notation has a place for it)
        """Refuse: an index has no place in this notation."""
        raise NotWritableError


def _check_whole_matrix(reads: Sequence[Read]) -> None:
    """Refuse to write the diagonal of anything but a matrix that is read whole."""
    if len(reads) != 2 or not all(kept and text == ":" for text, _, kept in reads):  # noqa: PLR2004
        raise NotWritableError


def _slice(base: int, step: int, count: int, size: int) -> str:
    stop = base + step * (count - 1) + 1
    if stop > size:
        raise NotWritableError
    start, end = str(base) if base else "", str(stop) if stop <= size - step else ""
    return f"{start}:{end}" + (f":{step}" if step > 1 else "")


def _subscripted(name: Printed, items: list[str]) -> Printed:
    while items and items[-1] == ":":
        items.pop()
    return suffix(name, f"[{', '.join(items)}]") if items else name
