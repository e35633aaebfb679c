"""A formula as a tree: of a whole tensor, or of one entry of it."""

from __future__ import annotations

import ast
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from gradcli.language.names import dotted, without_prefix
from gradcli.python_trees import expression_tree

CONSTANTS = frozenset({"pi", "inf", "nan"})


@dataclass(frozen=True, slots=True)
class Parsed:
    """A formula's tree."""

    body: ast.expr
    """What it says."""
    indices: tuple[str, ...] | None = None
    """The indices of the entry that it is the formula of, `0` along an axis of length 1; None for a whole tensor."""


def parsed(text: str) -> Parsed:
    """Return the tree of a formula of ours: `X.T @ g`, or `[p, q]: sum(X[i, p]*g[i, q] for i in range(2))`."""
    indices, colon, body = text.partition("]: ")
    if not (colon and text.startswith("[")):
        return Parsed(expression_tree(text))
    names = [name for name in indices[1:].split(", ") if name]
    return Parsed(expression_tree(body), tuple(names))


def callee(node: ast.Call) -> str | None:
    """Return the dotted name of the function that is called; None where it is a method."""
    parts = dotted(node.func)
    is_method = parts is None or (len(parts) > 1 and without_prefix(parts) is None)
    return None if parts is None or is_method else ".".join(parts)


def is_sum_over_indices(node: ast.AST) -> bool:
    """Tell whether a node is `sum(... for i in range(n))`."""
    return isinstance(node, ast.Call) and len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp)


def index_of(loop: ast.comprehension) -> str:
    """Return the index that a loop of such a sum binds."""
    assert isinstance(loop.target, ast.Name)  # noqa: S101 (an index)
    return loop.target.id


def names_read(node: ast.AST) -> Iterator[str]:
    """Yield the names of tensors and indices in a tree: not those of functions, constants or bound indices."""
    if isinstance(node, ast.Call):
        method = node.func.value if isinstance(node.func, ast.Attribute) else None
        if method is not None and callee(node) is None:
            yield from names_read(method)
        for part in (*node.args, *(keyword.value for keyword in node.keywords)):
            yield from names_read(part)
    elif isinstance(node, ast.Name):
        yield from () if node.id in CONSTANTS else (node.id,)
    else:
        for child in ast.iter_child_nodes(node):
            yield from names_read(child)


def is_zero(node: ast.expr) -> bool:
    """Tell whether a tree is the number 0."""
    return isinstance(node, ast.Constant) and node.value == 0


def is_number(node: ast.expr, sizes: Collection[str] = ()) -> bool:
    """Tell whether an expression is a number, whatever the tensors are; `sizes` are the names of lengths."""
    calls = [inner for inner in ast.walk(node) if isinstance(inner, ast.Call) and not is_sum_over_indices(inner)]
    if any(not hasattr(math, callee(inner) or "") for inner in calls if callee(inner) != "range"):
        return False
    return all(name in sizes for name in names_read(node))


def bound_names(node: ast.AST) -> Iterator[str]:
    """Yield the indices that the sums in a tree bind."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.comprehension) and isinstance(inner.target, ast.Name):
            yield inner.target.id


def depth_of_sums(node: ast.AST) -> int:
    """Return how many indices are summed within each other."""
    inner = max((depth_of_sums(child) for child in ast.iter_child_nodes(node)), default=0)
    return inner + (len(node.generators) if isinstance(node, ast.GeneratorExp) else 0)
