"""Factors that all branches of a choice have, in front of it: where(t, w, w*v) is w*where(t, 1, v)."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from gradcli.derivation.notation.parsed import callee, is_number, is_zero
from gradcli.derivation.notation.terms import as_column, call, column_of, factors_by_entry
from gradcli.derivation.notation.written import text_of
from gradcli.python_trees import expression_tree

CHOICE = 3  # a test, and what it chooses between


def with_factors(text: str) -> str:
    """Return a formula of a whole tensor with what all branches of a choice are multiplied by in front of it."""
    if "where(" not in text or text.startswith("["):
        return text
    return text_of(_Factored().visit(expression_tree(text)))


class _Factored(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a choice, with all choices in its branches, as a product with one of what is left of them."""
        if not _is_choice(node):
            return self.generic_visit(node)  # type: ignore[return-value]
        first, *others = [_factors(one) for one in _branches(node) if not is_zero(one)] or [[]]
        texts = [{ast.unparse(factor) for factor in one} for one in others]
        common = [factor for factor in first if all(ast.unparse(factor) in one for one in texts)]
        if all(is_number(factor) for factor in common):
            return node
        taken = {ast.unparse(factor) for factor in common}
        return _product([*common, _column(_without(node, taken))])


def _is_choice(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and callee(node) == "where" and len(node.args) == CHOICE


def _branches(node: ast.expr) -> list[ast.expr]:
    """Return what a choice, and those in its branches, choose between."""
    if isinstance(node, ast.Call) and _is_choice(node):
        return [branch for one in node.args[1:] for branch in _branches(one)]
    return [node]


def _factors(node: ast.expr) -> list[ast.expr]:
    """Return the factors of an expression; an outer product is one of a column and a row."""
    return [part for factor in factors_by_entry(node) for part in _column_and_row(factor)]


def _column_and_row(node: ast.expr) -> list[ast.expr]:
    is_outer = isinstance(node, ast.Call) and callee(node) == "outer"
    return [as_column(node.args[0]), node.args[1]] if is_outer else [node]  # type: ignore[attr-defined]  # it is a call


def _product(factors: Sequence[ast.expr]) -> ast.expr:
    found, *rest = factors or [ast.Constant(1)]
    for factor in rest:
        found = ast.BinOp(found, ast.Mult(), factor)
    return found


def _without(node: ast.expr, taken: set[str]) -> ast.expr:
    """Return a choice whose branches lack some factors, each once."""
    if isinstance(node, ast.Call) and _is_choice(node):
        return call("where", node.args[0], *(_without(one, taken) for one in node.args[1:]))
    if is_zero(node):
        return node
    left = set(taken)
    rest = []
    for factor in _factors(node):
        text = ast.unparse(factor)
        if text in left:
            left.discard(text)
        else:
            rest.append(factor)
    return _product(rest)


def _column(node: ast.expr) -> ast.expr:
    """Return a choice between columns and numbers, by columns, as a column of choices."""
    inner = _flat(node)
    return node if inner is None else as_column(inner)


def _flat(node: ast.expr) -> ast.expr | None:
    """Return a vector of which an expression is the column, or a number; None where it is neither."""
    if isinstance(node, ast.Call) and _is_choice(node):
        parts = [column_of(node.args[0]), *map(_flat, node.args[1:])]
        known = [part for part in parts if part is not None]
        return call("where", *known) if len(known) == len(parts) else None
    several = [factor if is_number(factor) else column_of(factor) for factor in _factors(node)]
    known = [factor for factor in several if factor is not None]
    return _product(known) if len(known) == len(several) else None
