"""Sums along an axis that have a value of their own: of a softmax, of what labels pick, of what is 0 off a diagonal."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from gradcli.derivation.notation.products import Products
from gradcli.derivation.notation.ranks import MATRIX
from gradcli.derivation.notation.terms import call, is_diagonal, times
from gradcli.derivation.notation.written import factors_of


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
