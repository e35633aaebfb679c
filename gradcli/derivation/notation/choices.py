"""What is seen of tests and choices in a formula's tree."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

RELATIONS: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: r"\le",
    ast.Gt: ">",
    ast.GtE: r"\ge",
    ast.Eq: "=",
    ast.NotEq: r"\ne",
}
BEGIN, END = r"\begin{cases} ", r" \end{cases}"


def cases(value: str, test: str, other: str) -> str:
    """Return a choice; the rows of another that is all of what is chosen else are rows of its own."""
    rest = _rows(other) or rf"{other} & \text{{else}}"
    return rf"{BEGIN}{value} & {test} \\ {rest}{END}"


def _rows(latex: str) -> str:
    """Return the rows of a choice; nothing of what is not a choice alone."""
    rows = latex.removeprefix(BEGIN).removesuffix(END)
    depth = 0
    for part in re.findall(r"\\(begin|end)\{cases\}", rows):
        depth += 1 if part == "begin" else -1
        if depth < 0:
            return ""
    return rows if latex.startswith(BEGIN) and latex.endswith(END) else ""


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
