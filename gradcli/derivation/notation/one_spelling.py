"""What programs spell in several ways, in one: the axis of a softmax, and the diagonal of a matrix.

That axis is -1 if it is the last, and else counted from the first. `diag` makes a matrix, and `diagonal` reads one.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.ranks import MATRIX, rank
from gradcli.derivation.notation.stable_parts import scaled, times
from gradcli.derivation.notation.terms import call
from gradcli.derivation.notation.written import text_of
from gradcli.python_trees import expression_tree

SOFTMAXES = frozenset({"softmax", "log_softmax"})


def in_one_spelling(text: str, ranks: Mapping[str, int]) -> str:
    """Return a formula of a whole tensor so; that of an entry as it is."""
    if text.startswith("[") or not any(f"{name}(" in text for name in ("softmax", "diag", "diagonal")):
        return text
    return text_of(_Spelled(ranks).visit(expression_tree(text)))


class _Spelled(ast.NodeTransformer):
    def __init__(self, ranks: Mapping[str, int]) -> None:
        self.ranks = ranks

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a softmax along the same axis, and the diagonal of a product as a sum."""
        self.generic_visit(node)
        match node:
            case ast.Call(args=[inner], keywords=[ast.keyword(arg="dim", value=value)]) if (
                callee(node) in SOFTMAXES and ast.unparse(value).lstrip("-").isdigit() and rank(inner, self.ranks)
            ):
                axis = _axis(int(ast.unparse(value)), rank(inner, self.ranks))
                return ast.Call(node.func, [inner], [ast.keyword("dim", axis)])
            case ast.Call(func=ast.Name(id="diag" | "diagonal"), args=[matrix], keywords=[]) if (
                rank(matrix, self.ranks) == MATRIX
            ):
                return _diagonal(matrix)
        return node


def _axis(axis: int, count: int) -> ast.expr:
    place = axis % count
    return ast.UnaryOp(ast.USub(), ast.Constant(1)) if place == count - 1 else ast.Constant(place)


def _diagonal(matrix: ast.expr) -> ast.expr:
    """Return sum(A*B, dim=0)/4 for the diagonal of A.T @ B/4, and sum(A*B, dim=1) for that of A @ B.T."""
    number, inner = scaled(matrix)
    if inner is not None and number != 1:
        return times(number, _diagonal(inner))
    match matrix:
        case ast.BinOp(left=ast.Attribute(value=one, attr="T"), op=ast.MatMult(), right=other):
            return _summed(one, other, 0)
        case ast.BinOp(left=one, op=ast.MatMult(), right=ast.Attribute(value=other, attr="T")):
            return _summed(one, other, 1)
    return call("diagonal", matrix)


def _summed(one: ast.expr, other: ast.expr, axis: int) -> ast.expr:
    is_square = ast.unparse(one) == ast.unparse(other)
    product = ast.BinOp(one, ast.Pow(), ast.Constant(2)) if is_square else ast.BinOp(one, ast.Mult(), other)
    return ast.Call(ast.Name("sum"), [product], [ast.keyword("dim", ast.Constant(axis))])
