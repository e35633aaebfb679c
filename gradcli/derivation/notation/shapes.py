"""The shapes of the expressions in a formula, as far as they are needed: of sums that are means."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from zlib import crc32

from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.terms import adds_axes

# What has the shape of the matrix that it is given.
OF_MATRIX = frozenset({"inv", "linalg.inv", "linalg.cholesky", "cholesky", "matrix_exp", "tril", "triu"})

MATRIX = 2
Shapes = Mapping[str, Sequence[int]]
ELEMENTWISE = frozenset(
    {
        *(
            "exp",
            "log",
            "sqrt",
            "abs",
            "sign",
            "tanh",
            "sigmoid",
            "softmax",
            "log_softmax",
            "sin",
            "cos",
            "erf",
            "where",
        ),
        *("maximum", "minimum", "relu", "silu", "gelu", "softplus", "clamp", "log1p", "expm1", "tan", "sinh", "cosh"),
    }
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
        case ast.Subscript():
            return _of_read(node, shapes)
        case ast.Compare(left=left, comparators=[right]):
            return _broadcast([shape_of(left, shapes), shape_of(right, shapes)])
        case ast.Call():
            return _of_call(node, shapes)
    return None


def _of_read(node: ast.Subscript, shapes: Shapes) -> tuple[int, ...] | None:
    """Return the shape of what is read: with axes put in, rows, a column, or entries by labels or by a mask."""
    whole = shape_of(node.value, shapes)
    match node.slice:
        case places if adds_axes(places) or whole is None:
            return _with_axes(whole, places)
        case ast.Name(id=name) if name in shapes:
            return (*shapes[name], *whole[1:]) if whole else None
        case ast.Tuple(elts=[ast.Slice(lower=None, upper=None, step=None), ast.Constant(value=int())]):
            return whole[:1] if len(whole) == MATRIX else None
        case ast.Tuple(elts=labels) if len(labels) == len(whole):
            known = [shape_of(one, shapes) for one in labels if not isinstance(one, ast.Constant | ast.Slice)]
            return known[0] if len(known) == len(whole) and known.count(known[0]) == len(known) else None
        case ast.Compare() as mask if shape_of(mask, shapes) == whole:
            return (_unseen(mask),)
    return None


def _of_call(node: ast.Call, shapes: Shapes) -> tuple[int, ...] | None:
    match node:
        case ast.Call(func=ast.Name(id="sum" | "mean"), args=[inner], keywords=[ast.keyword(arg="dim", value=axis)]):
            return _without_axis(shape_of(inner, shapes), axis)
        case ast.Call(func=ast.Name(id="sum" | "mean"), keywords=[]):
            return ()
        case ast.Call(func=ast.Name(id="nonzero"), args=[mask], keywords=[]):
            shape = shape_of(mask, shapes)
            return None if shape is None else (_unseen(mask), len(shape))
        case ast.Call() if callee(node) in OF_MATRIX:
            return shape_of(node.args[0], shapes)
        case ast.Call(args=[ast.Constant(value=int(count))]) if callee(node) == "eye":
            return count, count
        case ast.Call() if callee(node) in ELEMENTWISE:
            return _broadcast([shape_of(argument, shapes) for argument in node.args])
        case ast.Call(func=ast.Name(id="one_hot"), args=[labels, ast.Constant(value=int(count))]):
            shape = shape_of(labels, shapes)
            return None if shape is None else (*shape, count)
        case ast.Call(func=ast.Name(id="reshape"), args=[_, ast.Tuple(elts=sizes)]):
            known = [size.value for size in sizes if isinstance(size, ast.Constant) and isinstance(size.value, int)]
            return tuple(known) if len(known) == len(sizes) else None
    return None


def _with_axes(shape: tuple[int, ...] | None, places: ast.expr) -> tuple[int, ...] | None:
    """Return a shape with the axes of length 1 that a subscript puts in."""
    items = places.elts if isinstance(places, ast.Tuple) else [places]
    own = iter(shape or ())
    known = [next(own, None) if isinstance(item, ast.Slice) else 1 for item in items]
    whole = [size for size in (*known, *own) if size is not None]
    return tuple(whole) if shape is not None and None not in known else None


def literal_shape(node: ast.expr) -> tuple[int, ...] | None:
    """Return the shape of numbers in lists, as `tensor([1.0, 2.0])`; None for anything else."""
    if not (isinstance(node, ast.Call) and callee(node) == "tensor"):
        return None
    sizes, part = [], node.args[0]
    while isinstance(part, ast.List):
        sizes.append(len(part.elts))
        part = part.elts[0] if part.elts else ast.Constant(0)
    return tuple(sizes)


def _without_axis(shape: tuple[int, ...] | None, axis: ast.expr) -> tuple[int, ...] | None:
    place = axis.value if isinstance(axis, ast.Constant) and isinstance(axis.value, int) else None
    if shape is None or place is None or not -len(shape) <= place < len(shape):
        return None
    return tuple(size for at, size in enumerate(shape) if at != place % len(shape))


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
    return tuple(_longest(sizes) for sizes in zip(*padded, strict=True))


def _longest(sizes: Sequence[int]) -> int:
    """Return the length that several broadcast to: one that is not seen is not 1."""
    longest = max(sizes)
    return min(sizes) if longest == 1 else longest


def is_seen(shape: tuple[int, ...]) -> bool:
    """Tell whether all lengths are known numbers."""
    return all(size >= 0 for size in shape)


def _unseen(mask: ast.expr) -> int:
    """Return what stands for how many entries a mask picks: a negative number, the same for the same mask."""
    return -1 - crc32(ast.unparse(mask).encode())
