"""Triangles of matrices: a matrix times ones in a triangle is `tril` or `triu` of it."""

from __future__ import annotations

import ast

from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.shapes import Shapes, shape_of
from gradcli.derivation.notation.stable_parts import factors, product
from gradcli.derivation.notation.terms import call

OTHER = {"tril": "triu", "triu": "tril"}


def triangle(node: ast.expr, shapes: Shapes) -> ast.expr | None:
    """Return tril(X) for tril(ones(n, n))*X, where X has all of the mask's axes."""
    several = factors(node)
    for place, one in enumerate(several):
        rest = [*several[:place], *several[place + 1 :]]
        found = _triangle(one, shapes) if rest else None
        if found is None:
            continue
        shape, name, offset = found
        whole = product(rest)
        if shape is not None and shape_of(whole, shapes) == shape:
            return call(name, whole, *([ast.Constant(offset)] if offset else []))
    return None


def _triangle(node: ast.expr, shapes: Shapes) -> tuple[tuple[int, ...] | None, str, int] | None:
    """Return the shape of ones in a triangle, which one it is, and the number of its first diagonal."""
    match node:
        case ast.Attribute(value=inner, attr="T"):
            found = _triangle(inner, shapes)
            return None if found is None else (_turned(found[0]), OTHER[found[1]], -found[2])
        case ast.Call(args=[ast.Call(args=sizes) as ones, *rest]) if callee(node) in OTHER and callee(ones) == "ones":
            offset = ast.literal_eval(rest[0]) if rest else 0
            lengths = [size.value for size in sizes if isinstance(size, ast.Constant) and isinstance(size.value, int)]
            return (tuple(lengths) if len(lengths) == len(sizes) else None), callee(node) or "", offset
    return None


def _turned(shape: tuple[int, ...] | None) -> tuple[int, ...] | None:
    return None if shape is None else shape[::-1]
