"""The axis of a softmax in one way: -1 for the last, and else counted from the first."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.ranks import rank
from gradcli.derivation.notation.written import text_of
from gradcli.python_trees import expression_tree

SOFTMAXES = frozenset({"softmax", "log_softmax"})


def with_one_axis(text: str, ranks: Mapping[str, int]) -> str:
    """Return a formula of a whole tensor with each axis of a softmax so; that of an entry as it is."""
    if "softmax(" not in text or text.startswith("["):
        return text
    return text_of(_Axes(ranks).visit(expression_tree(text)))


class _Axes(ast.NodeTransformer):
    def __init__(self, ranks: Mapping[str, int]) -> None:
        self.ranks = ranks

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a softmax along the same axis."""
        self.generic_visit(node)
        count = rank(node.args[0], self.ranks) if node.args else 0
        match node:
            case ast.Call(args=[inner], keywords=[ast.keyword(arg="dim", value=value)]) if (
                callee(node) in SOFTMAXES and count and (text := ast.unparse(value)).lstrip("-").isdigit()
            ):
                axis = int(text) % count
                along = ast.UnaryOp(ast.USub(), ast.Constant(1)) if axis == count - 1 else ast.Constant(axis)
                return ast.Call(node.func, [inner], [ast.keyword("dim", along)])
        return node
