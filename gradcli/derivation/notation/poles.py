"""Quotients beside a choice for where their divisor is 0: `where(x == 0, 1, sin(x)/x)`.

The branch that is not taken has a derivative as well, and 0 times an infinite one is NaN.
"""

from __future__ import annotations

import ast

from gradcli.python_trees import expression_tree


def without_pole(test: ast.expr, branch: ast.expr) -> ast.expr:
    """Return PyTorch's branch for where a value is not 0: where it is, another number is in its place as a divisor."""
    match test:
        case ast.Compare(left=value, ops=[ast.Eq()], comparators=[ast.Constant(value=0)]):
            found: ast.expr = _Guarded(test, value).visit(branch)
            return ast.fix_missing_locations(found)
    return branch


class _Guarded(ast.NodeTransformer):
    """Puts 1 in the place of a divisor that is 0."""

    def __init__(self, test: ast.expr, value: ast.expr) -> None:
        self.value = ast.unparse(value)
        self.divisor = expression_tree(f"torch.where({ast.unparse(test)}, 1, {self.value})")

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return a quotient by another divisor, and any other operation with its operands changed."""
        left, right = self.visit(node.left), self.visit(node.right)
        is_by_it = isinstance(node.op, ast.Div) and ast.unparse(node.right) == self.value
        return ast.BinOp(left, node.op, self.divisor if is_by_it else right)
