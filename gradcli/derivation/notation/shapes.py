"""The shapes of the expressions in a formula, as far as they are needed: of sums that are means."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from gradcli.derivation.notation.parsed import callee

Shapes = Mapping[str, Sequence[int]]
ELEMENTWISE = frozenset(
    {"exp", "log", "sqrt", "abs", "sign", "tanh", "sigmoid", "softmax", "sin", "cos", "erf", "where", "maximum"}
)


def shape_of(node: ast.expr, shapes: Shapes) -> tuple[int, ...] | None:
    """Return the shape of an expression; None where it is not seen."""
    match node:
        case ast.Name(id=name):
            return tuple(shapes[name]) if name in shapes else None
        case ast.Constant():
            return ()
        case ast.Attribute(value=inner, attr="T"):
            shape = shape_of(inner, shapes)
            return None if shape is None else shape[::-1]
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            return _matmul(shape_of(left, shapes), shape_of(right, shapes))
        case ast.BinOp(left=left, right=right):
            return _broadcast([shape_of(left, shapes), shape_of(right, shapes)])
        case ast.UnaryOp(operand=inner):
            return shape_of(inner, shapes)
        case ast.Subscript(value=inner, slice=ast.Tuple(elts=[ast.Slice(lower=None), ast.Constant(value=None)])):
            shape = shape_of(inner, shapes)
            return (*shape, 1) if shape is not None and len(shape) == 1 else None
        case ast.Call() if callee(node) in ELEMENTWISE:
            return _broadcast([shape_of(argument, shapes) for argument in node.args])
        case ast.Call(func=ast.Name(id="one_hot"), args=[labels, ast.Constant(value=int(count))]):
            shape = shape_of(labels, shapes)
            return None if shape is None else (*shape, count)
    return None


def literal_shape(node: ast.expr) -> tuple[int, ...] | None:
    """Return the shape of numbers in lists, as `tensor([1.0, 2.0])`; None for anything else."""
    if not (isinstance(node, ast.Call) and callee(node) == "tensor"):
        return None
    sizes, part = [], node.args[0]
    while isinstance(part, ast.List):
        sizes.append(len(part.elts))
        part = part.elts[0] if part.elts else ast.Constant(0)
    return tuple(sizes)


def _matmul(left: tuple[int, ...] | None, right: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if not left or not right:
        return None
    return (*left[:-1], *(right[1:] if len(right) > 1 else ()))


def _broadcast(several: Sequence[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    known = [shape for shape in several if shape is not None]
    if len(known) < len(several):
        return None
    rank = max(map(len, known), default=0)
    padded = [(1,) * (rank - len(shape)) + shape for shape in known]
    return tuple(max(sizes) for sizes in zip(*padded, strict=True))
