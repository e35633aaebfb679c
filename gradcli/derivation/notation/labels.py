"""Products and sums with one-hot matrices as code: entries are added where labels say, and no matrix is made.

`one_hot(t, n).T @ V` is `added_at(V, t, n)`, and `S - one_hot(t, n)` is `plus_at(S, t, -1)`. With two of them entries
are addressed by both: `a*one_hot(i, n).T @ one_hot(j, m)` is `added_to(zeros(n, m), (i, j), a)`. With several labels in
a row `sum(A[:, :, None]*one_hot(I, n), dim=1)` is `scattered(A, I, n)`.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import cast

from gradcli.derivation.notation.parsed import callee, is_number
from gradcli.derivation.notation.shapes import Shapes, shape_of
from gradcli.derivation.notation.terms import MINUS, as_column, call, column_of, factors_by_entry, transposed
from gradcli.derivation.notation.unified import value as value_of
from gradcli.python_trees import expression_tree

MATRIX = 2
# Which argument of a function is labels.
LABELS = {"one_hot": 0, "added_at": 1, "plus_at": 1, "added_to": 1, "scattered": 1, "counted": 0}
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

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a sum along the rows of a one-hot matrix as what it picks."""
        self.generic_visit(node)
        match node:
            case ast.Call(
                func=ast.Name(id="sum"), args=[inner], keywords=[ast.keyword(arg="dim", value=ast.Constant(value=1))]
            ):
                return self._picked(inner) or self._scattered(inner) or node
            case ast.Call(
                func=ast.Name(id="sum"), args=[inner], keywords=[ast.keyword(arg="dim", value=ast.Constant(value=2))]
            ):
                return self._gathered(inner) or node
            case ast.Call(
                func=ast.Name(id="sum"),
                args=[ast.Call() as inner],
                keywords=[ast.keyword(arg="dim", value=ast.Constant(value=0))],
            ) if (labels := self._labels(inner)) is not None:
                return call("counted", *labels)
        return node

    def _gathered(self, node: ast.expr) -> ast.expr | None:
        """Return what several labels in each row read of it; None of anything else."""
        match node:
            case ast.BinOp(
                left=ast.Subscript(value=rows, slice=places),
                op=ast.Mult(),
                right=ast.Call(func=ast.Name(id="one_hot"), args=[labels, _]),
            ) if ast.unparse(places) == "(:, None, :)":
                shapes = [self._shape(rows) or (), self._shape(labels) or ()]
                is_read = [*map(len, shapes)] == [MATRIX, MATRIX] and shapes[0][0] == shapes[1][0]
                return call("gather", rows, ast.Constant(1), labels) if is_read else None
        return None

    def _scattered(self, node: ast.expr) -> ast.expr | None:
        """Return what is added up at several labels in each row; None of anything else."""
        known, factors = None, list[ast.expr]()
        for factor in factors_by_entry(node):
            match factor:
                case ast.Call(func=ast.Name(id="one_hot"), args=[_, _]) if known is None:
                    known = factor.args
                case ast.Subscript(value=inner, slice=places) if ast.unparse(places) == "(:, :, None)":
                    factors.append(inner)
                case _ if is_number(factor, self.sizes) or factor is MINUS:
                    factors.append(factor)
                case _:
                    return None
        shapes = [] if known is None else [self._shape(known[0]), *map(self._shape, factors)]
        if known is None or len(shapes[0] or ()) != MATRIX or shapes[0] not in shapes[1:]:
            return None
        return call("scattered", _scaled(None, factors), *known)

    def _picked(self, node: ast.expr) -> ast.expr | None:
        """Return what a one-hot matrix picks of rows, and numbers, that it is multiplied by; None of anything else."""
        known, factors = None, list[ast.expr]()
        for factor in factors_by_entry(node):
            labels, column = self._labels(factor), column_of(factor)
            if labels is not None and known is None:
                known = labels[0]
            elif column is not None and len(self._shape(column) or ()) == 1:
                factors.append(column)
            elif is_number(factor, self.sizes) or factor is MINUS or self._is_of_rows(factor):
                factors.append(factor)
            else:
                return None
        if known is None or not any(map(self._is_of_rows, factors)):
            return None
        return _scaled(None, [_read_at(factor, known) if self._is_of_rows(factor) else factor for factor in factors])

    def _is_of_rows(self, node: ast.expr) -> bool:
        """Tell whether an expression is the rows of a matrix, or of a transposed one, that labels say."""
        match node:
            case ast.Subscript(value=whole, slice=labels) if not isinstance(labels, ast.Tuple | ast.Slice):
                places, shape = self._shape(labels), self._shape(whole)
                return len(places or ()) == 1 and len(shape or ()) == MATRIX
        return False

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
        both = self._of_both(left, right)
        if both is not None:
            return both
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
        return ast.Attribute(call("added_at", transposed(left), *known), "T")

    def _of_both(self, left: ast.expr, right: ast.expr) -> ast.expr | None:
        """Return numbers added where the labels of two one-hot matrices say; None of anything else."""
        known, found = self._labels(right), self._transposed(left, None)
        if known is None or found is None:
            return None
        (rows, count), scales = found
        columns, width = known
        return call("added_to", call("zeros", count, width), ast.Tuple([rows, columns]), _scaled(None, scales))

    def _transposed(self, node: ast.expr, rows: Sequence[int] | None) -> tuple[list[ast.expr], list[ast.expr]] | None:
        """Return the labels of a transposed one-hot matrix, and what the rows are multiplied by instead of it."""
        known, scales = None, []
        for factor in _upright(node, self.sizes):
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
        """Return a matrix plus a one-hot matrix of its shape, with a number for each row or each class in it."""
        known, scales, rows = None, list[ast.expr](), list[ast.expr]()
        for factor in factors_by_entry(other):
            labels = self._labels(factor)
            column = column_of(factor)
            if labels is not None and known is None:
                known = factor, labels
            elif is_number(factor, self.sizes):
                scales.append(factor)
            elif column is not None and len(self._shape(column) or ()) == 1:
                scales.append(column)
            elif len(self._shape(factor) or ()) == 1:
                rows.append(factor)
            else:
                return None
        if known is None or self._shape(whole) is None or self._shape(whole) != self._shape(known[0]):
            return None
        scales += [ast.Subscript(row, known[1][0]) for row in rows]
        value = _scaled(None, [*([MINUS] if is_less else []), *scales])
        return call("plus_at", whole, known[1][0], value)


def _upright(node: ast.expr, sizes: Mapping[str, int]) -> list[ast.expr]:
    """Return the factors of a product entry by entry: of `(a[:, None]*B).T` they are `a` and `B.T`."""
    found = list[ast.expr]()
    for factor in factors_by_entry(node):
        inner = factor.value if isinstance(factor, ast.Attribute) and factor.attr == "T" else None
        several = [] if inner is None else factors_by_entry(inner)
        columns = [one if is_number(one, sizes) else column_of(one) for one in several]
        is_product = len(several) > 1 and columns.count(None) == 1
        turned = (column or transposed(one) for one, column in zip(several, columns, strict=True))
        found += turned if is_product else [factor]
    return found


def _read_at(rows: ast.expr, places: ast.expr) -> ast.expr:
    """Return the entry at a place of each row: `X[i, j]` of `X[i]` and `j`, and of `X.T[j]` and `i`."""
    assert isinstance(rows, ast.Subscript)  # noqa: S101 (asked before)
    if isinstance(rows.value, ast.Attribute) and rows.value.attr == "T":
        return ast.Subscript(rows.value.value, ast.Tuple([places, rows.slice]))
    return ast.Subscript(rows.value, ast.Tuple([rows.slice, places]))


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


def _scaled(node: ast.expr | None, scales: Sequence[ast.expr]) -> ast.expr:
    """Return the product of some numbers or columns, and of what they multiply."""
    signs = sum(factor is MINUS for factor in scales)
    several = [*(factor for factor in scales if factor is not MINUS), *([] if node is None else [node])]
    found = several[0] if several else ast.Constant(1)
    for factor in several[1:]:
        found = ast.BinOp(found, ast.Mult(), factor)
    return ast.UnaryOp(ast.USub(), found) if signs % 2 else found
