"""What Cholesky factors come to: inv(L.T) @ inv(L) is inv(L @ L.T), and L @ L.T the matrix that L is the factor of."""

from __future__ import annotations

import ast
from typing import TypeGuard

from gradcli.derivation.notation.parsed import callee, parsed
from gradcli.derivation.notation.shapes import Shapes, shape_of
from gradcli.derivation.notation.terms import call
from gradcli.derivation.notation.written import text_of

FACTOR = ast.Attribute(ast.Name("linalg"), "cholesky")  # which is called so by either name
FACTORS = frozenset({"cholesky", "linalg.cholesky"})


def factored(text: str) -> frozenset[str]:
    """Return the names of the matrices that a formula has the Cholesky factors of: they are symmetric."""
    if "cholesky(" not in text or text.startswith("["):
        return frozenset()
    calls = (node for node in ast.walk(parsed(text).body) if _is_factor(node))
    return frozenset(node.args[0].id for node in calls if isinstance(node.args[0], ast.Name))


def with_matrices(text: str, shapes: Shapes) -> str:
    """Return a formula with the inverses of matrices for products of those of their factors."""
    if "cholesky(" not in text or text.startswith("["):
        return text
    return text_of(_Joined(shapes).visit(parsed(text).body))


def _is_factor(node: ast.AST) -> TypeGuard[ast.Call]:
    """Tell whether a node is the lower factor of a matrix, given alone."""
    return isinstance(node, ast.Call) and callee(node) in FACTORS and len(node.args) == 1 and not node.keywords


class _Joined(ast.NodeTransformer):
    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return what a triangle of a factor is: above the diagonal it is 0."""
        self.generic_visit(node)
        if _is_factor(node):
            return ast.Call(FACTOR, node.args, [])
        match node:
            case ast.Call(func=ast.Name(id="triu"), args=[inner, ast.Constant(value=1)]) if _is_factor(inner):
                return ast.Constant(0)
            case ast.Call(func=ast.Name(id="tril"), args=[ast.Attribute(value=inner, attr="T")]) if _is_factor(inner):
                return call("diag", call("diagonal", inner))
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return a product of inverses as the inverse of a product, and what is 0 or a unit matrix as that."""
        self.generic_visit(node)
        match node:
            case ast.BinOp(left=ast.Constant(value=0), op=ast.Div()):
                return node.left
            case ast.BinOp(left=ast.Constant(value=0), op=ast.Add()):
                return node.right
            case ast.BinOp(left=ast.Call(func=ast.Name(id="diag"), args=[values]), op=ast.Div(), right=below):
                return (self._unit(values) if ast.unparse(values) == ast.unparse(below) else None) or node
            case ast.BinOp(op=ast.MatMult()):
                return self._product(node)
        return node

    def _unit(self, values: ast.expr) -> ast.expr | None:
        """Return a unit matrix as large as the one whose diagonal is given; None of other values."""
        is_diagonal = isinstance(values, ast.Call) and callee(values) == "diagonal"
        shape = shape_of(values.args[0], self.shapes) if is_diagonal and isinstance(values, ast.Call) else None
        return call("eye", ast.Constant(shape[0])) if shape else None

    def _product(self, node: ast.BinOp) -> ast.expr:
        match node:
            case ast.BinOp(left=ast.BinOp(left=first, op=ast.MatMult(), right=one), right=other):
                if (both := _inverse_of(one, other)) is not None:
                    return ast.BinOp(first, ast.MatMult(), both)
                if (both := _inverse_of(ast.Attribute(first, "T"), other)) is not None:
                    return ast.BinOp(both, ast.MatMult(), one)  # (M @ y) @ M of a vector
            case ast.BinOp(left=one, right=ast.BinOp(left=other, op=ast.MatMult(), right=last)):
                if (both := _inverse_of(one, other)) is not None:
                    return ast.BinOp(both, ast.MatMult(), last)
        return _inverse_of(node.left, node.right) or node


def _inverse_of(one: ast.expr, other: ast.expr) -> ast.expr | None:
    """Return inv(K) for inv(L.T) @ inv(L), where L is the factor of K; None for anything else."""
    match other:
        case ast.Call(func=ast.Name(id="inv"), args=[factor]) if _is_factor(factor):
            text = ast.unparse(factor)
            is_turned = ast.unparse(one) in {f"inv({text}.T)", f"inv({text}).T"}
            return call("inv", factor.args[0]) if is_turned else None
    return None
