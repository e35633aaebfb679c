"""A sigmoid at its limit beyond a constant, without a mask: `where(v > 20, 1, sigmoid(v))`, as softplus' derivative is.

Beyond the constant the sigmoid is that of infinity, which is 1: one pass instead of two, and the mask that they need.
At the constant itself `threshold` would take the limit, so that it is given the next number.
"""

from __future__ import annotations

import ast
import math

from gradcli.derivation.notation.parsed import callee, parsed
from gradcli.derivation.notation.terms import call
from gradcli.derivation.notation.written import text_of


def with_limits(text: str) -> str:
    """Return a formula with `sigmoid(-threshold(-v, -20.000000000000004, -inf))` in the place of such a choice."""
    if "where(" not in text or "sigmoid(" not in text:
        return text
    return text_of(_Limits().visit(parsed(text).body))


class _Limits(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a choice between 1 and a sigmoid, by a test of what it is of, as one sigmoid."""
        self.generic_visit(node)
        match node.args:
            case [
                ast.Compare(left=value, ops=[ast.Gt()], comparators=[ast.Constant(value=int() | float() as bound)]),
                ast.Constant(value=1),
                ast.Call(func=ast.Name(id="sigmoid"), args=[inner]),
            ] if callee(node) == "where" and ast.unparse(inner) == ast.unparse(value):
                least = ast.UnaryOp(ast.USub(), ast.Name("inf"))
                last = ast.Constant(math.nextafter(bound, math.inf))
                kept = call("threshold", ast.UnaryOp(ast.USub(), value), ast.UnaryOp(ast.USub(), last), least)
                return call("sigmoid", ast.UnaryOp(ast.USub(), kept))
        return node
