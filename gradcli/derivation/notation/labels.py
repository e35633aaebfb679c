"""Products and sums with one-hot matrices as code: entries are added where labels say, and no matrix is made.

`one_hot(t, n).T @ V` is `added_at(V, t, n)`, and `S - one_hot(t, n)` is `plus_at(S, t, -1)`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import cast

from gradcli.derivation.notation.parsed import callee, is_number
from gradcli.derivation.notation.shapes import Shapes, shape_of
from gradcli.derivation.notation.terms import MINUS, as_column, call, column_of, factors_by_entry
from gradcli.derivation.notation.unified import value as value_of
from gradcli.python_trees import expression_tree

MATRIX = 2
# Which argument of a function is labels.
LABELS = {"one_hot": 0, "added_at": 1, "plus_at": 1}
ONE_HOT = frozenset({"one_hot"})


def with_added_labels(node: ast.expr, shapes: Shapes, sizes: Mapping[str, int]) -> ast.expr:
    """Return an expression in which no one-hot matrix is made that is only multiplied, or added to another."""
    if not any(isinstance(one, ast.Call) and callee(one) == "one_hot" for one in ast.walk(node)):
        return node
    return cast("ast.expr", _Added(shapes, sizes).visit(expression_tree(ast.unparse(node))))


class _Added(ast.NodeTransformer):
    def __init__(self, shapes: Shapes, sizes: Mapping[str, int]) -> None:
        self.shapes = shapes
        self.sizes = sizes

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return a product with a one-hot matrix, or a sum with one, without it."""
        self.generic_visit(node)
        match node.op:
            case ast.MatMult():
                return self._product(node.left, node.right) or node
            case ast.Add() | ast.Sub():
                is_less = isinstance(node.op, ast.Sub)
                other = ast.UnaryOp(ast.USub(), node.right) if is_less else node.right
                return (
                    self._sum(node.left, node.right, is_less=is_less)
                    or self._sum(other, node.left, is_less=False)
                    or node
                )
        return node

    def _labels(self, node: ast.expr) -> list[ast.expr] | None:
        """Return the labels and the number of classes of a one-hot matrix; None of anything else."""
        if not (isinstance(node, ast.Call) and callee(node) == "one_hot" and len(node.args) > 1):
            return None
        shape = self._shape(node.args[0])
        return node.args if shape is not None and len(shape) == 1 else None

    def _shape(self, node: ast.expr) -> tuple[int, ...] | None:
        known = {**dict.fromkeys(self.sizes, ()), **self.shapes}
        return shape_of(_Numbered(self.sizes).visit(expression_tree(ast.unparse(node))), known)

    def _product(self, left: ast.expr, right: ast.expr) -> ast.expr | None:
        rows = self._shape(right)
        found = self._transposed(left, rows) if rows is not None and len(rows) in {1, MATRIX} else None
        if found is not None:
            (labels, count), scales = found
            return call("added_at", _scaled(right, scales), labels, count)
        read = self._labels(left)
        if read is not None and rows is not None and len(rows) in {1, MATRIX}:
            return ast.Subscript(right, read[0])
        known, columns = self._labels(right), self._shape(left)
        if known is None or columns is None or len(columns) not in {1, MATRIX}:
            return None
        if len(columns) == 1:
            return call("added_at", left, *known)
        return ast.Attribute(call("added_at", _transpose(left), *known), "T")

    def _transposed(self, node: ast.expr, rows: Sequence[int] | None) -> tuple[list[ast.expr], list[ast.expr]] | None:
        """Return the labels of a transposed one-hot matrix, and what the rows are multiplied by instead of it."""
        known, scales = None, []
        for factor in factors_by_entry(node):
            inner = factor.value if isinstance(factor, ast.Attribute) and factor.attr == "T" else None
            labels = self._labels(inner) if inner is not None else None
            if labels is not None and known is None:
                known = labels
            elif is_number(factor, self.sizes):
                scales.append(factor)
            elif (shape := self._shape(factor)) is not None and len(shape) <= 1:
                scales.append(as_column(factor) if len(shape) == 1 and len(rows or ()) == MATRIX else factor)
            else:
                return None
        return None if known is None else (known, scales)

    def _sum(self, whole: ast.expr, other: ast.expr, *, is_less: bool) -> ast.expr | None:
        """Return a matrix plus a multiple of a one-hot matrix of its shape, or a multiple in each row."""
        known, scales = None, list[ast.expr]()
        for factor in factors_by_entry(other):
            labels = self._labels(factor)
            column = column_of(factor)
            if labels is not None and known is None:
                known = factor, labels
            elif is_number(factor, self.sizes):
                scales.append(factor)
            elif column is not None and len(self._shape(column) or ()) == 1:
                scales.append(column)
            else:
                return None
        if known is None or self._shape(whole) is None or self._shape(whole) != self._shape(known[0]):
            return None
        value = _scaled(None, [*([MINUS] if is_less else []), *scales])
        return call("plus_at", whole, known[1][0], value)


class _Numbered(ast.NodeTransformer):
    """Puts numbers in the place of the lengths that have names."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a one-hot matrix with its number of classes as a number."""
        self.generic_visit(node)
        if callee(node) == "one_hot" and len(node.args) > 1 and self.sizes:
            count = value_of(ast.unparse(node.args[1]), self.sizes)
            return call("one_hot", node.args[0], ast.Constant(int(count)))
        return node


def _transpose(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Attribute) and node.attr == "T" else ast.Attribute(node, "T")


def _scaled(node: ast.expr | None, scales: Sequence[ast.expr]) -> ast.expr:
    """Return the product of some numbers or columns, and of what they multiply."""
    signs = sum(factor is MINUS for factor in scales)
    several = [*(factor for factor in scales if factor is not MINUS), *([] if node is None else [node])]
    found = several[0] if several else ast.Constant(1)
    for factor in several[1:]:
        found = ast.BinOp(found, ast.Mult(), factor)
    return ast.UnaryOp(ast.USub(), found) if signs % 2 else found
