"""Whole numbers among real ones: PyTorch multiplies no matrices of both, and divides integers in single precision."""

from __future__ import annotations

import ast
from collections.abc import Collection
from typing import cast

from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.ranks import SEVERAL
from gradcli.derivation.notation.terms import call
from gradcli.python_trees import expression_tree

FLOATS = "floats"
"""What a formula is given in which whole numbers are to be real ones."""
PLACES = frozenset({"argsort", "argmax", "argmin", "nonzero", "arange"})
# What keeps the type of entries, or makes the common type of all that it is given.
KEEPING = frozenset(
    {
        *("sum", "prod", "cumsum", "reshape", "squeeze", "unsqueeze", "broadcast_to", "stack", "cat", "roll", "flip"),
        *("diag", "diagonal", "outer", "abs", "sign", "where", "maximum", "minimum", "amax", "amin", "gather", "take"),
        *("tril", "triu", "sort", "max", "min", "repeat_interleave", "clamp_min", "clamp_max", "clamp", "trace"),
    }
)
# What is given labels, places or truth values as they are.
READING = frozenset(
    {
        "one_hot",
        "added_at",
        "plus_at",
        "added_to",
        "scattered",
        "counted",
        "summed_into",
        "index_select",
        "isnan",
        "isfinite",
        *PLACES,
    }
)


def with_floats(node: ast.expr, integers: Collection[str]) -> ast.expr:
    """Return an expression of tensors with `floats(...)` around whole numbers that have to be real ones.

    `integers` are the names of tensors of integers or truth values.
    """
    if not integers and not any(isinstance(one, ast.Name) and one.id in {*PLACES, *SEVERAL} for one in ast.walk(node)):
        return node
    found = _Floats(integers).visit(expression_tree(ast.unparse(node)))
    return call(FLOATS, found) if is_whole(found, integers) else cast("ast.expr", found)


def is_whole(node: ast.expr, integers: Collection[str]) -> bool:
    """Tell whether an expression is a tensor of whole numbers, or of truth values."""
    match node:
        case ast.Name(id=name):
            return name in integers
        case ast.UnaryOp(operand=inner) | ast.Attribute(value=inner, attr="T" | "mT"):
            return is_whole(inner, integers)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult(), right=right):
            whole = [is_whole(side, integers) for side in (left, right)]
            return any(whole) and all(one or _is_integer(side) for one, side in zip(whole, (left, right), strict=True))
        case ast.BinOp(left=base, op=ast.Pow(), right=exponent):
            return is_whole(base, integers) and _is_integer(exponent)
        case ast.Subscript(value=ast.Call() as several, slice=ast.Constant(value=1)) if callee(several) in SEVERAL:
            return True
        case ast.Subscript(value=inner):
            return is_whole(inner, integers)
        case ast.Call() if callee(node) in PLACES:
            return True
        case ast.Call() if callee(node) in KEEPING:
            given = node.args[1:] if callee(node) == "where" else node.args[:1]
            return all(is_whole(one, integers) or _is_integer(one) for one in given) and any(
                is_whole(one, integers) for one in given
            )
    return False


def _is_integer(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


class _Floats(ast.NodeTransformer):
    def __init__(self, integers: Collection[str]) -> None:
        self.integers = integers

    def _real(self, node: ast.expr) -> ast.expr:
        return call(FLOATS, node) if is_whole(node, self.integers) else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return an operation on numbers of one type, where it needs that, or makes real numbers of integers."""
        self.generic_visit(node)
        if isinstance(node.op, ast.MatMult):
            return ast.BinOp(self._real(node.left), node.op, self._real(node.right))
        is_root = isinstance(node.op, ast.Pow) and not _is_integer(node.right)
        if isinstance(node.op, ast.Div) or is_root:
            return ast.BinOp(self._real(node.left), node.op, node.right)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a function of real numbers, but for those that only move or read what they are given."""
        self.generic_visit(node)
        name = callee(node)
        if name is None or name in KEEPING or name in READING or name.startswith("logical_"):
            return node
        return ast.Call(node.func, [self._real(argument) for argument in node.args], node.keywords)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """Leave places as they are."""
        node.value = self.visit(node.value)
        return node
