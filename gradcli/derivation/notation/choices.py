"""What is seen of tests and choices in a formula's tree."""

from __future__ import annotations

import ast
from collections.abc import Mapping

RELATIONS: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: r"\le",
    ast.Gt: ">",
    ast.GtE: r"\ge",
    ast.Eq: "=",
    ast.NotEq: r"\ne",
}


def connective(node: ast.expr) -> str:
    """Return the sign between tests that are connected; empty if they are not."""
    match node:
        case ast.BoolOp(op=operator):
            return r"\wedge" if isinstance(operator, ast.And) else r"\vee"
        case ast.Call(func=ast.Name(id="logical_and"), args=[_, _]):
            return r"\wedge"
        case ast.Call(func=ast.Name(id="logical_or"), args=[_, _]):
            return r"\vee"
    return ""


def is_new(item: ast.expr) -> bool:
    """Tell whether an item of a subscript is None, which makes an axis."""
    return isinstance(item, ast.Constant) and item.value is None


def is_delta(test: ast.expr, body: ast.expr, otherwise: ast.expr) -> bool:
    """Tell whether a choice is 1 where two indices are equal, and else 0."""
    values = [side.value for side in (body, otherwise) if isinstance(side, ast.Constant)]
    return values == [1, 0] and isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq)
