"""What a mask picks, put back in its place: `f(x[m]) @ one_hot(nonzero(m)[:, 0], n)` is `where(m, f(x), 0)`."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from gradcli.derivation.notation.parsed import callee, parsed
from gradcli.derivation.notation.ranks import rank
from gradcli.derivation.notation.shapes import ELEMENTWISE
from gradcli.derivation.notation.terms import call
from gradcli.derivation.notation.written import text_of

MATRIX = 2
# What is the same for all rows, of those that are picked too.
REDUCED = frozenset({"sum", "mean"})
# What is no function of single entries.
ALONG = frozenset({"softmax", "log_softmax"})


def with_masks(text: str, ranks: Mapping[str, int]) -> str:
    """Return a formula in which what masks pick, entry by entry, is in its place; `ranks` are tensors' own."""
    if "one_hot(nonzero(" not in text or text.startswith("["):
        return text
    return text_of(_InPlace(ranks).visit(parsed(text).body))


@dataclass(frozen=True, slots=True)
class _Picked:
    """Which entries of an axis a mask picks, as a one-hot tensor says."""

    mask: ast.expr
    axis: int


def _picked(node: ast.expr) -> _Picked | None:
    match node:
        case ast.Call(
            func=ast.Name(id="one_hot"),
            args=[
                ast.Subscript(
                    value=ast.Call(func=ast.Name(id="nonzero"), args=[mask]),
                    slice=ast.Tuple(elts=[ast.Slice(lower=None, upper=None, step=None), ast.Constant(value=int(axis))]),
                ),
                _,
            ],
        ):
            return _Picked(mask, axis)
    return None


class _InPlace(ast.NodeTransformer):
    def __init__(self, ranks: Mapping[str, int]) -> None:
        self.ranks = ranks

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return 1 where a mask is true for the sum of the rows that say so."""
        self.generic_visit(node)
        match node:
            case ast.Call(
                func=ast.Name(id="sum"), args=[rows], keywords=[ast.keyword(arg="dim", value=ast.Constant(value=0))]
            ) if (one := _picked(rows)) is not None and self._axes(one) == 1:
                return _where(one.mask, ast.Constant(1))
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return what is put in the place of the entries, or the rows, that a mask picks."""
        self.generic_visit(node)
        if not isinstance(node.op, ast.MatMult):
            return node
        return self._of_vector(node.left, node.right) or self._of_matrix(node.left, node.right) or node

    def _of_vector(self, left: ast.expr, right: ast.expr) -> ast.expr | None:
        """Return V @ H of a vector, and H.T @ V of one or of rows, where H says which entry of a vector is picked."""
        rows = left.value if isinstance(left, ast.Attribute) and left.attr == "T" else None
        one, value = (_picked(right), left) if rows is None else (_picked(rows), right)
        if one is None or self._axes(one) != 1:
            return None
        axes = rank(value, self.ranks)
        whole = self._unpicked(value, ast.unparse(one.mask), axes) if 0 < axes <= (1 if rows is None else 2) else None
        mask = one.mask if axes == 1 else ast.Subscript(one.mask, ast.Tuple([ast.Slice(), ast.Constant(None)]))
        return None if whole is None else _where(mask, whole)

    def _of_matrix(self, left: ast.expr, right: ast.expr) -> ast.expr | None:
        """Return (V[:, None]*H).T @ K, where H and K say in which row and column the entries are that are picked."""
        value: ast.expr | None = None
        match left:
            case ast.Attribute(value=ast.BinOp(left=ast.Subscript(value=own), op=ast.Mult(), right=rows), attr="T"):
                value = own
            case ast.Attribute(value=rows, attr="T"):
                pass
            case _:
                return None
        row, column = _picked(rows), _picked(right)
        if row is None or column is None or (row.axis, column.axis) != (0, 1) or self._axes(row) != MATRIX:
            return None
        text = ast.unparse(row.mask)
        if text != ast.unparse(column.mask):
            return None
        whole = ast.Constant(1) if value is None else self._unpicked(value, text, MATRIX)
        return None if whole is None else _where(row.mask, whole)

    def _unpicked(self, node: ast.expr, mask: str, axes: int) -> ast.expr | None:
        """Return a function of picked entries, of so many axes, as that of all entries; None of anything else."""
        match node:
            case ast.Subscript(value=whole, slice=places) if ast.unparse(places) == mask:
                return whole if rank(whole, self.ranks) == axes else None
            case ast.BinOp(left=left, op=op, right=right) if not isinstance(op, ast.MatMult):
                one, other = (self._unpicked(part, mask, axes) for part in (left, right))
                return None if one is None or other is None else ast.BinOp(one, op, other)
            case ast.UnaryOp(op=op, operand=inner):
                one = self._unpicked(inner, mask, axes)
                return None if one is None else ast.UnaryOp(op, one)
            case ast.Compare(left=left, ops=signs, comparators=[right]):
                one, other = (self._unpicked(part, mask, axes) for part in (left, right))
                return None if one is None or other is None else ast.Compare(one, signs, [other])
            case ast.Call(func=function, args=parts, keywords=[]) if callee(node) in ELEMENTWISE - ALONG:
                several = [self._unpicked(part, mask, axes) for part in parts]
                known = [part for part in several if part is not None]
                return ast.Call(function, [*known], []) if len(known) == len(parts) else None
        is_row = isinstance(node, ast.Call) and callee(node) in REDUCED and rank(node, self.ranks) < axes
        return node if is_row or rank(node, self.ranks) == 0 else None

    def _axes(self, one: _Picked) -> int:
        return rank(one.mask, self.ranks)


def _where(mask: ast.expr, value: ast.expr) -> ast.expr:
    return call("where", mask, value, ast.Constant(0))
