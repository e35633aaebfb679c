"""Differences that formulas have both ways, y - X @ w and X @ w - y, written one way: then they can share a name."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

Signed: TypeAlias = tuple[int, ast.expr]
"""A sign, 1 or -1, and what it stands before."""
PRODUCTS = ast.Mult | ast.MatMult | ast.Div
# Functions of several operands or of one that the sign of their first goes through.
LINEAR = frozenset({"outer", "diag", "trace", "sum", "mean", "kron"})
# Functions of one operand that its sign goes through, and that it makes no difference to.
ODD = frozenset({"sign", "tanh", "sinh", "sin", "tan", "asin", "atan", "asinh", "atanh", "erf", "erfinv"})
EVEN = frozenset({"abs", "cos", "cosh"})


def one_way(trees: Sequence[ast.expr]) -> list[ast.expr]:
    """Return formulas in which of a - b and b - a only one is left, the one that there was more of."""
    counts = Counter(ast.unparse(node) for tree in trees for node in ast.walk(tree) if _is_difference(node))
    kept = {text: place for place, text in enumerate(sorted(counts, key=lambda text: (-counts[text], text)))}
    turned = {
        text
        for tree in trees
        for node in ast.walk(tree)
        if _is_difference(node)
        for text, other in [(ast.unparse(node), ast.unparse(_reversed(node)))]
        if kept.get(other, len(kept)) < kept[text]
    }
    return [_Turn(turned).whole(tree) for tree in trees] if turned else [*trees]


def _is_difference(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)


def _reversed(node: ast.AST) -> ast.BinOp:
    assert isinstance(node, ast.BinOp)  # noqa: S101 (a difference is one)
    return ast.BinOp(node.right, ast.Sub(), node.left)


@dataclass(frozen=True, slots=True)
class _Turn:
    """Turns some differences, and takes the signs that come of it to the front."""

    differences: set[str]
    """The ones to turn, as text."""

    def whole(self, tree: ast.expr) -> ast.expr:
        """Return an expression with its sign before it."""
        return _with_sign(self.signed(tree))

    def signed(self, node: ast.expr) -> Signed:
        """Return the sign of an expression, and the rest."""
        match node:
            case ast.BinOp(op=ast.Sub()) if ast.unparse(node) in self.differences:
                sign, rest = self.added(_reversed(node))
                return -sign, rest
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                return self.added(node)
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, PRODUCTS):
                (one, first), (other, second) = self.signed(left), self.signed(right)
                return one * other, ast.BinOp(first, op, second)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                sign, rest = self.signed(operand)
                return -sign, rest
            case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(count))):
                sign, rest = self.signed(left)
                return sign**count, ast.BinOp(rest, node.op, node.right)
            case ast.Attribute(value=value, attr="T"):
                sign, rest = self.signed(value)
                return sign, ast.Attribute(rest, "T", ast.Load())
            case ast.Subscript(value=value):
                sign, rest = self.signed(value)
                return sign, ast.Subscript(rest, node.slice, ast.Load())
            case ast.Call(func=ast.Name(id=name), args=[first, *others]) if name in LINEAR | ODD | EVEN:
                sign, rest = self.signed(first)
                made = ast.Call(node.func, [rest, *map(self.whole, others)], node.keywords)
                return 1 if name in EVEN else sign, made
            case ast.Call(func=ast.Name(id="where"), args=[test, inner, ast.Constant(value=0) as zero]):
                sign, rest = self.signed(inner)
                return sign, ast.Call(node.func, [self.whole(test), rest, zero], [])
        return 1, self.inside(node)

    def added(self, node: ast.BinOp) -> Signed:
        """Return a sum or a difference of two terms, whose signs are those between them."""
        (one, first), (other, second) = self.signed(node.left), self.signed(node.right)
        other = -other if isinstance(node.op, ast.Sub) else other
        if one == other:
            return one, ast.BinOp(first, ast.Add(), second)
        return 1, ast.BinOp(first, ast.Sub(), second) if one > 0 else ast.BinOp(second, ast.Sub(), first)

    def inside(self, node: ast.expr) -> ast.expr:
        """Return an expression that no sign goes through, with what is in it turned."""
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                setattr(node, name, self.whole(value))
            elif isinstance(value, list):
                setattr(node, name, [self.whole(one) if isinstance(one, ast.expr) else one for one in value])
        return node


def signs_outside(tree: ast.expr) -> ast.expr:
    """Return an expression in which the sign of a product stands before all of it: then the product may have a name."""
    return cast("ast.expr", _Outside().visit(tree))


def signs_inside(tree: ast.expr) -> ast.expr:
    """Return an expression in which the sign of a product stands before its first factor, as it is written."""
    return cast("ast.expr", _Inside().visit(tree))


class _Outside(ast.NodeTransformer):
    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return -(a @ b) of (-a) @ b."""
        self.generic_visit(node)
        if isinstance(node.op, PRODUCTS) and _is_negative(node.left):
            return ast.UnaryOp(ast.USub(), ast.BinOp(cast("ast.UnaryOp", node.left).operand, node.op, node.right))
        return node


class _Inside(ast.NodeTransformer):
    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """Return (-a) @ b of -(a @ b)."""
        self.generic_visit(node)
        return _with_sign((-1, node.operand)) if _is_negative(node) else node


def _is_negative(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _with_sign(signed: Signed) -> ast.expr:
    """Return an expression with its sign, that of a product before its first factor."""
    sign, node = signed
    if sign > 0:
        return node
    if isinstance(node, ast.BinOp) and isinstance(node.op, PRODUCTS):
        return ast.BinOp(_with_sign((sign, node.left)), node.op, node.right)
    return ast.UnaryOp(ast.USub(), node)
