"""What a formula says at single points, apart: where something is exactly 0, a definition may choose another value.

Such a choice (the origin of a norm, equal rows of a distance) is no part of the formula that a reader looks for.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from functools import partial, reduce

from gradcli.derivation.notation.brackets import compact
from gradcli.derivation.notation.parsed import callee, names_read, parsed
from gradcli.derivation.notation.written import text_of

# What is told of a mask: where it is true, and how often.
COUNTED = frozenset({"nonzero", "sum"})


def without_points(text: str, leaves: Collection[str]) -> tuple[str, str | None]:
    """Return a formula without what it says where something that depends on one of the leaves is exactly 0.

    The second value says where that is, and what the formula says there if it is a number; None if there is nothing.
    """
    if text.startswith("["):
        return text, None
    tree = parsed(text).body
    elsewhere = _Elsewhere(leaves)
    found = elsewhere.visit(tree)
    if not elsewhere.tests:
        return text, None
    places = " or ".join(dict.fromkeys(elsewhere.tests))
    there = tree.args[1] if isinstance(tree, ast.Call) and callee(tree) == "where" else None
    value = ast.unparse(there) if isinstance(there, ast.Constant) and len(elsewhere.tests) == 1 else "another value"
    return text_of(found), compact(f"{value} where {places}")


def places_of(exception: str) -> list[str]:
    """Return the expressions that are exactly 0 where an exception is."""
    return [test.removesuffix(" == 0") for test in exception.partition(" where ")[2].split(" or ")]


def said_of(exception: str, places: Collection[str]) -> str:
    """Return what an exception says of some of its places."""
    return f"{exception.partition(' where ')[0]} where {' or '.join(f'{place} == 0' for place in places)}"


class _Elsewhere(ast.NodeTransformer):
    """Decides tests for what is exactly 0: it is not."""

    def __init__(self, leaves: Collection[str]) -> None:
        self.leaves = leaves
        self.tests: list[str] = []

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a choice, or a connection of tests, decided as far as it can be."""
        name = callee(node)
        if name == "where":
            test = self.visit(node.args[0])
            decided = _truth(test)
            if decided is not None:
                chosen: ast.expr = self.visit(node.args[1 if decided else 2])
                return chosen
            body, otherwise = self.visit(node.args[1]), self.visit(node.args[2])
            is_same = ast.dump(body) == ast.dump(otherwise)  # but at a single point, that of 0*log(0)
            return body if is_same else ast.Call(node.func, [test, body, otherwise], [])
        if name in COUNTED and isinstance(node.args[0], ast.Compare):  # a mask, of which a point is as good as others
            return node
        self.generic_visit(node)
        if name not in {"logical_and", "logical_or"}:
            return node
        return reduce(partial(_connected, name), node.args)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """Return a test in another shape."""
        inner = self.visit(node.value)
        return inner if _truth(inner) is not None else ast.Subscript(inner, node.slice)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Return that something is not exactly 0."""
        equal = isinstance(node.ops[0], ast.Eq)
        is_zero = isinstance(node.comparators[0], ast.Constant) and node.comparators[0].value == 0
        if not is_zero or not isinstance(node.ops[0], ast.Eq | ast.NotEq) or not self._varies(node.left):
            return node
        self.tests.append(f"{ast.unparse(node.left)} == 0")
        return ast.Constant(value=not equal)

    def _varies(self, node: ast.expr) -> bool:
        return any(name in self.leaves for name in names_read(node))


def _truth(node: ast.expr) -> bool | None:
    """Return a test that is decided; None for one that is not."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, bool) else None


def _connected(name: str, left: ast.expr, right: ast.expr) -> ast.expr:
    """Return a conjunction or disjunction without the tests that are decided."""
    for one, other in ((left, right), (right, left)):
        decided = _truth(one)
        if decided is not None:
            return other if decided is (name == "logical_and") else one
    return ast.Call(ast.Name(name), [left, right], [])
