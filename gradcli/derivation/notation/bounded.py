"""Choices that read better as fewer: one value under two tests, and what a bound is put into.

where(a, c, where(b, c, d)) is where(a or b, c, d), and where(v < 1e-6, f(1e-6), f(v)) is f(clamp_min(v, 1e-6)).
"""

from __future__ import annotations

import ast
from fractions import Fraction

from gradcli.derivation.notation.branches import with_factors
from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.terms import call
from gradcli.derivation.notation.written import text_of
from gradcli.python_trees import expression_tree

CHOICE = 3  # a test, and what it chooses between
Factors = tuple[Fraction, tuple[str, ...], tuple[str, ...]]
NOTHING: Factors = (Fraction(0), (), ())


def with_bounds(text: str) -> str:
    """Return a formula of a whole tensor with such choices joined."""
    if "where(" not in text or text.startswith("["):
        return text
    tree = expression_tree(text)
    before = ast.dump(tree)
    found = _Bounds().visit(tree)
    joined = text if ast.dump(found) == before else text_of(found)
    factored = text_of(_Bounds().visit(expression_tree(with_factors(text))))
    return factored if factored.count("where(") < joined.count("where(") else joined


class _Bounds(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a choice with another, or with a bound; two tests of one value as one."""
        self.generic_visit(node)
        if callee(node) == "logical_or":
            return _beyond(*node.args) or node
        if callee(node) != "where" or len(node.args) != CHOICE:
            return node
        return _bounded(*node.args) or _saturated(*node.args) or _joined(node, *node.args) or node


def _bounded(test: ast.expr, body: ast.expr, otherwise: ast.expr) -> ast.expr | None:
    """Return f(clamp_min(v, c)) of where(v < c, f(c), f(v)); None of any other choice."""
    if not (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE)
    ):
        return None
    value, bound, is_below = test.left, test.comparators[0], isinstance(test.ops[0], ast.Lt | ast.LtE)
    if _is_number(value):
        value, bound, is_below = bound, value, not is_below
    if _is_number(value) or not _is_number(bound):
        return None
    otherwise = _with_difference(otherwise, value)
    there = _Clamped().visit(_put(otherwise, value, bound))
    if _factors(there) != _factors(body):
        return None
    limited = call("clamp_min" if is_below else "clamp_max", value, bound)
    clamped: ast.expr = _Clamped().visit(_put(otherwise, value, limited))
    return clamped


def _saturated(test: ast.expr, body: ast.expr, otherwise: ast.expr) -> ast.expr | None:
    """Return f(clamp(v, -c, c)) of where(abs(v) < c, f(v), f(c*sign(v))); None of any other choice."""
    match test:
        case ast.Compare(
            left=ast.Call(func=ast.Name(id="abs"), args=[value]), ops=[ast.Lt() | ast.LtE()], comparators=[bound]
        ) if _is_number(bound):
            there = _put(body, value, ast.BinOp(bound, ast.Mult(), call("sign", value)))
            there = expression_tree(ast.unparse(there))
            if ast.unparse(there) == ast.unparse(body) or _factors(there) != _factors(otherwise):
                return None
            return _put(body, value, call("clamp", value, ast.UnaryOp(ast.USub(), bound), bound))
    return None


def _with_difference(node: ast.expr, value: ast.expr) -> ast.expr:
    """Return an expression with -(x - y) for y - x, where the value is x - y."""
    match value:
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _put(node, ast.BinOp(right, value.op, left), ast.UnaryOp(ast.USub(), value))
    return node


def _factors(node: ast.expr) -> Factors:
    """Return a product as a number, what else stands above the line, and what stands below it."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return Fraction(str(value)), (), ()
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            number, above, below = _factors(inner)
            return -number, above, below
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _product(_factors(left), _factors(right))
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            number, above, below = _factors(right)
            if number:
                return _product(_factors(left), (1 / number, below, above))
    return Fraction(1), (ast.dump(node),), ()


def _product(left: Factors, right: Factors) -> Factors:
    number = left[0] * right[0]
    return (number, tuple(sorted(left[1] + right[1])), tuple(sorted(left[2] + right[2]))) if number else NOTHING


def _is_number(node: ast.expr) -> bool:
    _, above, below = _factors(node)
    return not above and not below


def _value(node: ast.expr) -> Fraction:
    return _factors(node)[0]


class _Clamped(ast.NodeTransformer):
    """Writes two bounds as one call, and a number within bounds as a number."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return clamp(v, low, high) of clamp_max(clamp_min(v, low), high)."""
        self.generic_visit(node)
        name = callee(node)
        if name not in {"clamp_min", "clamp_max"}:
            return node
        inner, bound = node.args
        if _is_number(inner):
            is_outside = (_value(inner) < _value(bound)) is (name == "clamp_min")
            return bound if is_outside else inner
        if isinstance(inner, ast.Call) and callee(inner) in {"clamp_min", "clamp_max"} - {name}:
            low, high = (inner.args[1], bound) if name == "clamp_max" else (bound, inner.args[1])
            if _value(low) <= _value(high):
                return call("clamp", inner.args[0], low, high)
        return node


OPPOSITE = {(ast.Lt, ast.Gt), (ast.LtE, ast.GtE)}


def _joined(node: ast.Call, test: ast.expr, body: ast.expr, otherwise: ast.expr) -> ast.expr | None:
    """Return a choice by either of two tests that choose the same; None if they do not."""
    if not (isinstance(otherwise, ast.Call) and callee(otherwise) == "where" and len(otherwise.args) == CHOICE):
        return None
    second, same, rest = otherwise.args
    if ast.dump(body) != ast.dump(same):
        return None
    return ast.Call(node.func, [_beyond(test, second) or call("logical_or", test, second), body, rest], [])


def _beyond(test: ast.expr, second: ast.expr) -> ast.expr | None:
    """Return abs(v) > c of v > c and v < -c; None of any others."""
    match test, second:
        case (
            ast.Compare(left=one, ops=[first], comparators=[bound]),
            ast.Compare(left=other, ops=[last], comparators=[opposite]),
        ) if ast.dump(one) == ast.dump(other) and _is_number(bound) and _is_number(opposite):
            ends = sorted([(_value(bound), bound, first), (_value(opposite), opposite, last)], key=lambda end: end[0])
            (low, _, below), (high, written, above) = ends
            if low == -high and (type(below), type(above)) in OPPOSITE:
                return ast.Compare(call("abs", one), [above], [written])
    return None


def _put(node: ast.expr, old: ast.expr, new: ast.expr) -> ast.expr:
    """Return an expression with another in the place of one."""
    copy = expression_tree(ast.unparse(node))
    found = _Replaced(old, new).visit(copy)
    assert isinstance(found, ast.expr)  # noqa: S101 (as what it is made from)
    return found


class _Replaced(ast.NodeTransformer):
    """Puts an expression in the place of another."""

    def __init__(self, old: ast.expr, new: ast.expr) -> None:
        self.old, self.new = ast.dump(old), new

    def visit(self, node: ast.AST) -> ast.AST:
        """Return the other expression, or one in which it is."""
        found: ast.AST = self.new if ast.dump(node) == self.old else super().visit(node)
        return found
