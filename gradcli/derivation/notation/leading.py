"""The number that stands first in a product, as papers have it: `(2*x) @ A` is 2 times x @ A."""

from __future__ import annotations

import ast


def leading_number(node: ast.expr) -> tuple[ast.expr | None, ast.expr]:
    """Return the number that a product begins with, and the rest; None and the node itself without one."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult | ast.MatMult):
        return None, node
    if isinstance(node.op, ast.Mult) and _is_number(node.left):
        return node.left, node.right
    number, rest = leading_number(node.left)
    return number, node if number is None else ast.BinOp(rest, node.op, node.right)


def number_first(node: ast.BinOp) -> tuple[ast.expr | None, ast.BinOp]:
    """Return the number that an operand of a matrix product begins with, and the product without it."""
    number, left = leading_number(node.left)
    if number is not None:
        return number, ast.BinOp(left, node.op, node.right)
    number, right = leading_number(node.right)
    return number, node if number is None else ast.BinOp(node.left, node.op, right)


def _is_number(node: ast.expr) -> bool:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return _is_number(inner)
        case ast.Constant(value=int() | float()):
            return True
    return False
