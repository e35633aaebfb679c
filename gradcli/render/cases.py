"""A formula that chooses between several, as a table of them: a line for each, with the test of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradcli.python_trees import expression_tree

LEAST = 3  # what chooses between two reads as well in a line


def case_lines(text: str) -> list[str]:
    """Return the lines of a formula: one, or one for each of the formulas that it chooses between."""
    rows = [*_rows(text)] if "where(" in text or " if " in text else []
    if len(rows) < LEAST:
        return [text]
    width = max(len(value) for value, _ in rows)
    return [f"{value:<{width}}  {test}" for value, test in rows]


def _rows(text: str) -> Iterator[tuple[str, str]]:
    """Yield what is chosen, and when; nothing for what is no expression of Python's."""
    try:
        node = expression_tree(text)
    except SyntaxError:
        return
    while (choice := _choice(node)) is not None:
        test, value, node = choice
        yield _source(text, value), f"if {_source(text, test)}"
    yield _source(text, node), "otherwise"


def _choice(node: ast.expr) -> tuple[ast.expr, ast.expr, ast.expr] | None:
    match node:
        case ast.IfExp(test=test, body=value, orelse=otherwise):
            return test, value, otherwise
        case ast.Call(func=ast.Name(id="where"), args=[test, value, otherwise]):
            return test, value, otherwise
    return None


def _source(text: str, node: ast.expr) -> str:
    return ast.get_source_segment(text, node) or ast.unparse(node)
