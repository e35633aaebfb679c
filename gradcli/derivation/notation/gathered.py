"""Sums of matrix products with a factor in common: `a @ X - b @ X` is `(a - b) @ X`."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TypeGuard, cast

from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.ranks import MATRIX, rank
from gradcli.derivation.notation.shapes import Shapes, shape_of
from gradcli.derivation.notation.stable_parts import factors, product
from gradcli.derivation.notation.terms import transposed
from gradcli.derivation.notation.written import ENTRYWISE, symbols
from gradcli.python_trees import expression_tree

Signed = tuple[bool, ast.expr]
"""Whether a term is subtracted, and the term."""


def gathered(node: ast.expr, shapes: Shapes) -> ast.expr:
    """Return an expression in which products that end, or begin, with the same factor are one product.

    Sums along the same axis of tensors of one shape are one sum.
    """
    return cast("ast.expr", _Gathered(shapes).visit(expression_tree(ast.unparse(node))))


def upright(node: ast.expr, across: Callable[[ast.expr], ast.expr]) -> ast.expr:
    """Return an expression in which what is computed from transposes entry by entry is the transpose of what is not.

    `across` makes the transpose of a matrix.
    """
    return cast("ast.expr", _Upright(across).visit(expression_tree(ast.unparse(node))))


class _Upright(ast.NodeTransformer):
    """Turns the factors of matrix products."""

    def __init__(self, across: Callable[[ast.expr], ast.expr]) -> None:
        self.across = across

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return a product whose factors have as few transposes as they can."""
        self.generic_visit(node)
        if not isinstance(node.op, ast.MatMult):
            return node
        return ast.BinOp(self._turned(node.left), node.op, self._turned(node.right))

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Return the transpose of what is computed from transposes entry by entry as that of what is not."""
        self.generic_visit(node)
        inner = node.value
        is_sum = isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Add | ast.Sub)
        if node.attr != "T" or not (is_sum or (isinstance(inner, ast.Call) and callee(inner) in ENTRYWISE)):
            return node
        turned = self.across(inner)
        return turned if ast.unparse(turned).count(".T") < ast.unparse(node).count(".T") - 1 else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return a sum along an axis of a matrix that has as few transposes as it can."""
        self.generic_visit(node)
        match node:
            case ast.Call(
                func=ast.Name(id="sum" | "mean"),
                args=[ast.BinOp() as inner],
                keywords=[ast.keyword(arg="dim", value=ast.Constant(value=0 | 1 as axis))],
            ) if ast.unparse(inner).count(".T") > 1:
                turned = self.across(inner)
                if len(ast.unparse(turned)) < len(ast.unparse(inner)):
                    return ast.Call(node.func, [turned], [ast.keyword("dim", ast.Constant(1 - axis))])
        return node

    def _turned(self, node: ast.expr) -> ast.expr:
        text = ast.unparse(node)
        inner = node.operand if isinstance(node, ast.UnaryOp) else node
        if not isinstance(inner, ast.BinOp) or isinstance(inner.op, ast.MatMult) or text.count(".T") <= 1:
            return node
        turned = self.across(node)
        more = ".T" if isinstance(inner.op, ast.Add | ast.Sub) else "().T"  # a sum has its parentheses either way
        return ast.Attribute(turned, "T") if len(ast.unparse(turned)) + len(more) < len(text) else node


class _Gathered(ast.NodeTransformer):
    """Rewrites sums, the innermost first."""

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """Return b - a for -(a - b)."""
        self.generic_visit(node)
        inner = node.operand
        if isinstance(node.op, ast.USub) and isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Sub):
            return ast.BinOp(inner.right, ast.Sub(), inner.left)
        turned = _reversed(inner) if isinstance(node.op, ast.USub) else None
        return node if turned is None else turned

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return a sum with common factors in front of, or behind, what they multiply."""
        self.generic_visit(node)
        if not isinstance(node.op, ast.Add | ast.Sub):
            return node
        terms = _terms(node)
        for place, first in enumerate(terms):
            for other in range(place + 1, len(terms)):
                pair = first, terms[other]
                both = _together(*pair) or self._mirrored(*pair) or self._summed(*pair)
                if both is not None:
                    rest = [term for at, term in enumerate(terms) if at not in {place, other}]
                    return self.visit(_sum([both, *rest])) if rest else _signed(both)
        return node

    def _mirrored(self, one: Signed, other: Signed) -> Signed | None:
        """Return `r @ A + A @ r` of a vector as `(A + A.T) @ r`, if that is shorter; None of anything else."""
        (sign, left), (opposite, right) = sorted((one, other), key=lambda term: term[0])
        operator = ast.Sub() if sign != opposite else ast.Add()
        for row, column in ((left, right), (right, left)):
            if (found := self._on_both_sides(row, column)) is not None:
                matrix, vector = found
                first, second = matrix, transposed(matrix)
                if row is left and sign != opposite:
                    first, second = second, first
                whole = ast.BinOp(ast.BinOp(first, operator, second), ast.MatMult(), vector)
                return (sign, whole) if _count(whole) < _count(ast.BinOp(left, operator, right)) else None
        return None

    def _on_both_sides(self, row: ast.expr, column: ast.expr) -> tuple[ast.expr, ast.expr] | None:
        """Return A and r, a matrix and a vector, of `r @ A` and `A @ r`; None of anything else."""
        match row, column:
            case (
                ast.BinOp(left=vector, op=ast.MatMult(), right=matrix),
                ast.BinOp(left=same, op=ast.MatMult(), right=own),
            ) if ast.unparse(vector) == ast.unparse(own) and ast.unparse(matrix) == ast.unparse(same):
                ranks = {name: len(shape) for name, shape in self.shapes.items()}
                is_known = rank(vector, ranks) == 1 and rank(matrix, ranks) == MATRIX
                return (matrix, vector) if is_known else None
        return None

    def _summed(self, one: Signed, other: Signed) -> Signed | None:
        """Return two sums along the same axis as one; None of anything else, and of tensors of several shapes."""
        (sign, left), (opposite, right) = sorted((one, other), key=lambda term: term[0])
        match left, right:
            case (
                ast.Call(func=ast.Name(id="sum" | "mean" as name), args=[inner], keywords=[ast.keyword() as along]),
                ast.Call(func=ast.Name(id=same), args=[beside], keywords=[ast.keyword() as own]),
            ) if name == same and ast.unparse(along) == ast.unparse(own):
                shape = shape_of(inner, self.shapes)
                if shape is not None and shape == shape_of(beside, self.shapes):
                    operator = ast.Sub() if sign != opposite else ast.Add()
                    return sign, ast.Call(ast.Name(name), [ast.BinOp(inner, operator, beside)], [along])
        return None


def _reversed(node: ast.expr) -> ast.expr | None:
    """Return what a product is subtracted from 0: with the first difference among its factors the other way round."""
    match node:
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return ast.BinOp(right, ast.Sub(), left)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            first = _reversed(left)
            other = _reversed(right) if first is None else None
            if first is not None:
                return ast.BinOp(first, node.op, right)
            return None if other is None else ast.BinOp(left, node.op, other)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            first = _reversed(left)
            return None if first is None else ast.BinOp(first, node.op, right)
    return None


def _terms(node: ast.expr) -> list[Signed]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        subtracted = isinstance(node.op, ast.Sub)
        return [*_terms(node.left), *((sign != subtracted, term) for sign, term in _terms(node.right))]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return [(not sign, term) for sign, term in _terms(node.operand)]
    return [(False, node)]


def _together(one: Signed, other: Signed) -> Signed | None:
    """Return two products with a factor in common as one; None if they have none."""
    (sign, left), (opposite, right) = sorted((one, other), key=lambda term: term[0])
    if not (_is_product(left) and _is_product(right) and type(left.op) is type(right.op)):
        return None
    operator = ast.Sub() if sign != opposite else ast.Add()
    if ast.unparse(left.right) == ast.unparse(right.right):
        return sign, ast.BinOp(ast.BinOp(left.left, operator, right.left), left.op, left.right)
    if ast.unparse(left.left) == ast.unparse(right.left):
        return sign, ast.BinOp(left.left, left.op, ast.BinOp(left.right, operator, right.right))
    return None if isinstance(left.op, ast.MatMult) else _with_common(left, right, sign=sign, operator=operator)


def _with_common(left: ast.expr, right: ast.expr, *, sign: bool, operator: ast.operator) -> Signed | None:
    """Return two products entry by entry, a*b*c and d*b, as (a*c + d)*b; None if they have no such factor."""
    one, other = factors(left), factors(right)
    texts = [ast.unparse(factor) for factor in other]
    common = [factor for factor in one if not isinstance(factor, ast.Constant) and ast.unparse(factor) in texts]
    if not common:
        return None
    for factor in common:
        one.remove(factor)
        other.pop([ast.unparse(own) for own in other].index(ast.unparse(factor)))
    rests = (product(rest) if rest else ast.Constant(1) for rest in (one, other))
    first, second = rests
    inside = ast.BinOp(first, operator, second)
    return sign, product([*common, inside])


def _count(node: ast.expr) -> int:
    return symbols(ast.unparse(node))


def _is_product(node: ast.expr) -> TypeGuard[ast.BinOp]:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult | ast.Mult)


def _sum(terms: list[Signed]) -> ast.expr:
    first, *rest = sorted(terms, key=lambda term: term[0])
    total = _signed(first)
    for sign, term in rest:
        total = ast.BinOp(total, ast.Sub() if sign else ast.Add(), term)
    return total


def _signed(term: Signed) -> ast.expr:
    return ast.UnaryOp(ast.USub(), term[1]) if term[0] else term[1]
