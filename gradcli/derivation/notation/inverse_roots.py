"""Quotients by a root as products of `rsqrt`, which PyTorch computes in less time than a root, and in one pass."""

from __future__ import annotations

import ast
from collections.abc import Callable


def with_inverse_roots(node: ast.expr, is_number: Callable[[ast.expr], bool]) -> ast.expr:
    """Return an expression in which nothing is divided by a root of tensors."""
    found: ast.expr = _InverseRoots(is_number).visit(node)
    return found


class _InverseRoots(ast.NodeTransformer):
    def __init__(self, is_number: Callable[[ast.expr], bool]) -> None:
        self.is_number = is_number

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return a quotient by a root as a product, and of 1 as the inverse root alone."""
        self.generic_visit(node)
        match node:
            case ast.BinOp(op=ast.Div(), right=ast.Call(func=ast.Name(id="sqrt"), args=arguments) as root):
                if self.is_number(root):
                    return node
                inverse = ast.Call(ast.Name("rsqrt"), arguments, [])
                is_one = isinstance(node.left, ast.Constant) and node.left.value == 1
                return inverse if is_one else ast.BinOp(node.left, ast.Mult(), inverse)
        return node
