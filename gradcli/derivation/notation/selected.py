"""Rows that a one-hot matrix picks, as they are read: `one_hot(i, n) @ A` is `A[i]`."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.ranks import MATRIX, rank
from gradcli.derivation.notation.written import text_of
from gradcli.python_trees import expression_tree


def with_reads(text: str, ranks: Mapping[str, int]) -> str:
    """Return a formula of a whole tensor with rows that are read instead of picked; that of an entry as it is."""
    if "one_hot(" not in text or text.startswith("["):
        return text
    return text_of(_Reads(ranks).visit(expression_tree(text)))


class _Reads(ast.NodeTransformer):
    """Turns products with one-hot matrices into reads."""

    def __init__(self, ranks: Mapping[str, int]) -> None:
        self.ranks = ranks

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return `A[i]` of `one_hot(i, n) @ A`, and `A[i].T` of `A.T @ one_hot(i, n).T`."""
        self.generic_visit(node)
        if not isinstance(node.op, ast.MatMult):
            return node
        picked, other = _index_of(node.left), node.right
        if picked is not None and rank(other, self.ranks) <= MATRIX:
            return ast.Subscript(other, picked)
        match node.left, node.right:
            case ast.Attribute(value=rows, attr="T"), ast.Attribute(value=one, attr="T") if (
                picked := _index_of(one)
            ) is not None and rank(one, self.ranks) == MATRIX:
                return ast.Attribute(ast.Subscript(rows, picked), "T")
            case vector, ast.Attribute(value=one, attr="T") if (picked := _index_of(one)) is not None and rank(
                vector, self.ranks
            ) == 1:
                return ast.Subscript(vector, picked)
        return node


def _index_of(node: ast.expr) -> ast.expr | None:
    """Return the index of a one-hot tensor; None of anything else."""
    return node.args[0] if isinstance(node, ast.Call) and callee(node) == "one_hot" else None
