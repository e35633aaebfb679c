"""Sums along an axis that have a value of their own: of a softmax, of what labels pick, of what is 0 off a diagonal."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.products import Products
from gradcli.derivation.notation.ranks import MATRIX
from gradcli.derivation.notation.shapes import shape_of
from gradcli.derivation.notation.terms import call, is_diagonal, times
from gradcli.derivation.notation.written import factors_of

# What makes a column of a vector.
COLUMN = "(:, None)"


@dataclass(frozen=True, slots=True)
class Sums(Products):
    """Knows what some sums come to."""

    def sums_to_one(self, node: ast.expr) -> bool:
        """Tell whether an expression is a sum that is 1: of a softmax along its axis, or of what labels pick."""
        match node:
            case ast.Call(
                func=ast.Name(id="sum"),
                args=[ast.Call(func=ast.Name(id="one_hot"), args=[labels, _])],
                keywords=[ast.keyword(value=axis)],
            ):
                return ast.unparse(axis) in {"-1", str(self.rank(labels))}
            case ast.Call(
                func=ast.Name(id="sum"),
                args=[ast.Call(func=ast.Name(id="softmax"), args=[inner], keywords=[ast.keyword(value=along)])],
                keywords=words,
            ):
                return self._is_same_axis(inner, along, words)
        return False

    def _is_same_axis(self, node: ast.expr, along: ast.expr, words: Sequence[ast.keyword]) -> bool:
        """Tell whether a sum is over the axis, the only one if it names none, along which a softmax is one."""
        rank = self.rank(node)
        if not words:
            return rank == 1
        axes = [
            int(text) % rank if (text := ast.unparse(axis)).lstrip("-").isdigit() else -1
            for axis in (along, words[0].value)
        ]
        return axes[0] == axes[1] != -1

    def read_at_labels(self, summed: ast.expr, places: ast.expr) -> ast.expr | None:
        """Return as a column what labels pick of a matrix's rows, `gather(X, 1, t[:, None])`; None of anything else."""
        match summed:
            case ast.Call(
                func=ast.Name(id="sum"),
                args=[ast.BinOp(left=left, op=ast.Mult(), right=right)],
                keywords=[ast.keyword(value=ast.Constant(value=1))],
            ) if ast.unparse(places) == COLUMN:
                for one, other in ((left, right), (right, left)):
                    shape = shape_of(other, self.shapes)
                    if _is_one_hot(one) and shape is not None and shape == shape_of(one, self.shapes):
                        return call("gather", other, ast.Constant(1), ast.Subscript(one.args[0], places))
        return None

    def through_diagonal(self, summed: ast.expr) -> ast.expr | None:
        """Return the sum along either axis of a diagonal matrix times another, entry by entry; None of anything else.

        It is the one diagonal times the other.
        """
        match summed:
            case ast.BinOp(left=left, op=ast.Mult(), right=right) if self.rank(left) == self.rank(right) == MATRIX:
                for one, other in ((left, right), (right, left)):
                    if is_diagonal(one):
                        return times([one.args[0], self._diagonal(other)], [])
        return None

    def _diagonal(self, matrix: ast.expr) -> ast.expr:
        """Return the diagonal of a matrix: factors that are diagonal at its ends are those of the diagonal too."""
        first, *rest = factors_of(matrix)
        if rest and is_diagonal(first):
            return times([first.args[0], self._diagonal(times([], rest))], [])
        *rest, last = factors_of(matrix)
        if rest and is_diagonal(last):
            return times([self._diagonal(times([], rest)), last.args[0]], [])
        return call("diagonal", matrix)


def undone(name: str, inner: ast.Call, normal: Callable[[ast.expr], ast.expr]) -> ast.expr:
    """Return a function of a function of a matrix, which is known for some: the inverse of an inverse is the matrix.

    `normal` simplifies an expression.
    """
    match name, callee(inner):
        case "inv", "inv":
            return normal(inner.args[0])
        case "inv", "diag":
            return call("diag", normal(ast.BinOp(ast.Constant(1), ast.Div(), inner.args[0])))
        case "diagonal", "diag":
            return normal(inner.args[0])
        case "tril", "cholesky" | "linalg.cholesky":
            return normal(inner)
    return call(name, normal(inner))


def _is_one_hot(node: ast.expr) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "one_hot"
