"""Sums along an axis as a reader writes them: sum(X + b, dim=0) for sum(X, dim=0) + n*b."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from fractions import Fraction

from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.ranks import MATRIX
from gradcli.derivation.notation.shapes import Shapes, is_seen, shape_of
from gradcli.derivation.notation.shortened_products import multiple
from gradcli.derivation.notation.stable_parts import added, minus, scaled, signed, terms, times
from gradcli.derivation.notation.terms import as_column

# Of what is multiplied by a number, these are multiplied by it.
LINEAR = frozenset({"sum", "mean", "trace", "diag"})
Scaled = tuple[Fraction, ast.expr]
"""A number, with its sign, and what it multiplies."""


def summed_along(node: ast.expr, shapes: Shapes) -> ast.expr | None:
    """Return 2*sum(X + b, dim=0)/3 for 2*sum(X, dim=0)/3 + 2*n*b/3, where X has n rows, and mean(X + b, dim=0) so."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)):
        return None
    several = [(sign * number, inner) for sign, term in terms(node) for number, inner in (scaled(term),)]
    known = [(number, inner) for number, inner in several if inner is not None]
    kinds = {kind for _, inner in known if (kind := _along(inner)) is not None}
    if len(known) < len(several) or len(kinds) != 1:
        return None
    sums = [(number, one.args[0]) for number, one in known if _along(one) is not None and isinstance(one, ast.Call)]
    rest = [(number, one) for number, one in known if _along(one) is None]
    return _together(sums, rest, *kinds.pop(), shapes) if len(known) > 1 else None


def number_outside(node: ast.expr) -> ast.expr | None:
    """Return 2*sum(x)/3 for sum(2*x/3), and so of what else is linear."""
    if not (isinstance(node, ast.Call) and callee(node) in LINEAR):
        return None
    sign, inner = signed(node.args[0])
    number, rest = multiple(inner)
    if rest is None or sign * number == 1:
        return None
    whole = times(number, ast.Call(node.func, [rest, *node.args[1:]], node.keywords))
    return whole if sign > 0 else minus(whole)


def _along(node: ast.expr) -> tuple[str, int] | None:
    """Return whether something is a sum or a mean, and of which axis of a matrix; None of anything else."""
    match node:
        case ast.Call(
            func=ast.Name(id="sum" | "mean" as name), keywords=[ast.keyword(arg="dim", value=ast.Constant() as axis)]
        ):
            return (name, 0) if axis.value == 0 else (name, 1) if axis.value == 1 else None
    return None


def _together(sums: Sequence[Scaled], rest: Sequence[Scaled], name: str, axis: int, shapes: Shapes) -> ast.expr | None:
    """Return the sum of all of it at once; None where the terms are not the same multiple, but for their signs."""
    (number, first), *_ = sums
    shape = shape_of(first, shapes)
    if (
        shape is None
        or len(shape) != MATRIX
        or not is_seen(shape[axis : axis + 1])
        or any(shape_of(inner, shapes) != shape for _, inner in sums)
    ):
        return None
    if any(shape_of(inner, shapes) != (shape[1 - axis],) for _, inner in rest):
        return None
    count = shape[axis] if name == "sum" else 1
    repeated = [(own / count, inner if axis == 0 else as_column(inner)) for own, inner in rest]
    if any(abs(own) != abs(number) for own, _ in (*sums, *repeated)):
        return None
    signs = [(1 if own == number else -1, inner) for own, inner in (*sums, *repeated)]
    inside = added([term for sign, inner in signs for term in terms(inner, sign)])
    whole = ast.Call(ast.Name(name), [inside], [ast.keyword("dim", ast.Constant(axis))])
    return times(number, whole) if number > 0 else minus(times(-number, whole))
