"""What a reader would still write shorter: a divisor of all terms once, the tail of a sigmoid, the norms of rows."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Collection
from fractions import Fraction
from math import prod

from gradcli.derivation.notation.parsed import callee, names_read, parsed
from gradcli.derivation.notation.ranks import rank
from gradcli.derivation.notation.shapes import Shapes, is_seen, shape_of
from gradcli.derivation.notation.shortened_cancelled import cancelled
from gradcli.derivation.notation.shortened_choices import (
    common_outside,
    outers,
    rectified,
    with_one_test,
)
from gradcli.derivation.notation.shortened_products import (
    Flat,
    Symmetric,
    choice,
    less_one,
    quadratic,
    sign_outside,
    through_sign,
)
from gradcli.derivation.notation.shortened_quotients import Rule, common_factor, nested, over_one_divisor
from gradcli.derivation.notation.shortened_sums import number_outside, summed_along
from gradcli.derivation.notation.stable_parts import (
    Signs,
    added,
    factors,
    is_one,
    minus,
    product,
    scaled,
    signed,
    terms,
    times,
)
from gradcli.derivation.notation.stable_quotients import logistic
from gradcli.derivation.notation.terms import call
from gradcli.derivation.notation.triangles import triangle
from gradcli.derivation.notation.written import symbols, text_of

SWAPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
}


def shortened(
    text: str, shapes: Shapes, simplified: Callable[[str], str] = str, symmetric: Collection[str] = ()
) -> str:
    """Return a formula of a whole tensor with each of these rewritings that makes it no longer.

    Both sides of a test are compared as one, which is `simplified`. `symmetric` are the names of symmetric matrices.
    """
    if parsed(text).indices is not None:
        return text
    ranks = {name: len(shape) for name, shape in shapes.items()}
    text = text_of(_Powers(ranks).visit(parsed(text).body))
    rules: list[Rule] = [_tail(text), logistic, over_one_divisor]
    rules += [nested(ranks), _norms(text)]
    rules += [with_one_test(simplified), common_outside, outers(ranks)]
    rules += [
        lambda node: _compared(node, simplified),
        rectified(simplified),
        longer_side_first,
        through_sign,
        choice,
        number_outside,
        less_one,
    ]
    for rule in (
        *rules,
        lambda node: _summed(node, shapes),
        lambda node: _total(node, shapes),
        lambda node: summed_along(node, shapes),
        lambda node: triangle(node, shapes),
        quadratic(text, ranks),
        common_factor,
        sign_outside,
        cancelled(shapes),
    ):
        found = text_of(Signs().visit(Flat().visit(_Rewritten(rule).visit(parsed(text).body))))
        text = found if symbols(found) <= symbols(text) else text
    whole = _OneDivisor().visit(_Powers(ranks).visit(parsed(text).body))
    return text_of(Symmetric(symmetric, ranks).visit(whole))


class _OneDivisor(ast.NodeTransformer):
    """Writes x/2/y as x/(2*y)."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return a quotient so."""
        self.generic_visit(node)
        match node:
            case ast.BinOp(left=ast.BinOp(left=above, op=ast.Div(), right=one), op=ast.Div(), right=other):
                return ast.BinOp(above, ast.Div(), ast.BinOp(one, ast.Mult(), other))
        return node


class _Rewritten(ast.NodeTransformer):
    """Rewrites by one rule, from the inside out."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def visit(self, node: ast.AST) -> ast.AST:
        """Return an expression rewritten, its parts first, where that is no longer."""
        node = self.generic_visit(node)
        found = self.rule(node) if isinstance(node, ast.expr) else None
        if found is None or _count(found) > _count(node):
            return node
        return self.visit(found) if _count(found) < _count(node) else found


def _count(node: ast.AST) -> int:
    return symbols(text_of(node))


def _tail(text: str) -> Rule:
    """Return a rule that writes 1 - sigmoid(a) as sigmoid(-a), where that sigmoid is nowhere else."""

    def rule(node: ast.expr) -> ast.expr | None:
        match node:
            case ast.BinOp(left=left, op=ast.Sub(), right=ast.Call(func=ast.Name(id="sigmoid"), args=[inner]) as own):
                is_alone = is_one(left) and text.count(text_of(own)) == 1
                return call("sigmoid", minus(inner)) if is_alone else None
            case ast.BinOp(left=ast.Call(func=ast.Name(id="sigmoid"), args=[inner]) as own, op=ast.Sub(), right=right):
                is_alone = is_one(right) and text.count(text_of(own)) == 1
                return ast.UnaryOp(ast.USub(), call("sigmoid", minus(inner))) if is_alone else None
        return None

    return rule


def _norms(text: str) -> Rule:
    """Return a rule that writes norm(X, dim=1) for sqrt(sum(X**2, dim=1)), and its square for the sum beside it."""

    def rule(node: ast.expr) -> ast.expr | None:
        match node:
            case ast.Call(
                func=ast.Name(id="sum"),
                args=[ast.BinOp(left=inner, op=ast.Pow(), right=ast.Constant(value=2))],
                keywords=[along],
            ) if f"sqrt({text_of(node)})" in text or f"{text_of(node)}**(" in text:
                return ast.BinOp(ast.Call(ast.Name("norm"), [inner], [along]), ast.Pow(), ast.Constant(2))
            case ast.Call(
                func=ast.Name(id="sqrt"),
                args=[ast.BinOp(left=ast.Call(func=ast.Name(id="norm")) as norm, op=ast.Pow(), right=square)],
            ) if isinstance(square, ast.Constant) and square.value == 2:  # noqa: PLR2004 (a square)
                return norm
            case ast.BinOp(
                left=ast.BinOp(
                    left=ast.Call(func=ast.Name(id="norm")) as norm, op=ast.Pow(), right=ast.Constant(value=2)
                ),
                op=ast.Pow(),
                right=ast.BinOp(left=ast.Constant(value=int(count)), op=ast.Div(), right=ast.Constant(value=2)),
            ):
                return ast.BinOp(norm, ast.Pow(), ast.Constant(count))
        return None

    return rule


def _compared(node: ast.expr, simplified: Callable[[str], str]) -> ast.expr | None:
    """Return a test of a difference of its sides, where these have terms in common."""
    match node:
        case ast.Compare(left=left, ops=[ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE() as sign], comparators=[right]) if (
            set(names_read(left)) & set(names_read(right))
        ):
            difference = parsed(simplified(simplified(text_of(added([(1, left), *_opposite(right)]))))).body
            match difference:
                case ast.BinOp(left=one, op=ast.Sub(), right=other):
                    return ast.Compare(one, [sign], [other])
            return ast.Compare(difference, [sign], [ast.Constant(0)])
    return None


def longer_side_first(node: ast.expr) -> ast.expr | None:
    """Return abs(x) < c for c > abs(x)."""
    match node:
        case ast.Compare(left=ast.Name() as left, ops=[sign], comparators=[right]) if type(sign) in SWAPPED:
            is_long = not isinstance(right, ast.Name) and [*names_read(right)]
            return ast.Compare(right, [SWAPPED[type(sign)]()], [left]) if is_long else None
    return None


def _opposite(node: ast.expr) -> list[tuple[int, ast.expr]]:
    return [(-sign, term) for sign, term in terms(node)]


def _summed(node: ast.expr, shapes: Shapes) -> ast.expr | None:
    """Return sum(x - m) for sum(x) - n*m, where m is a number and n how many entries x has."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)):
        return None
    (first, one), (second, other) = several if len(several := [*terms(node)]) == 2 else [(1, node)] * 2  # noqa: PLR2004
    for sign, whole, own, rest in ((first, one, second, other), (second, other, first, one)):
        number, inner = scaled(rest)
        if not (isinstance(whole, ast.Call) and callee(whole) == "sum" and not whole.keywords and inner is not None):
            continue
        shape = shape_of(whole.args[0], shapes)
        if shape and number == Fraction(prod(shape)) and shape_of(inner, shapes) == ():
            return call("sum", added([(sign, whole.args[0]), (own, inner)]))
    return None


def _total(node: ast.expr, shapes: Shapes) -> ast.expr | None:
    """Return sum(x)/2 for 3*mean(x)/2, of three entries."""
    sign, positive = signed(node)
    number, mean = scaled(positive) if isinstance(positive, ast.BinOp) else (Fraction(1), None)
    if not (isinstance(mean, ast.Call) and callee(mean) == "mean"):
        return None
    whole, rest = (shape_of(one, shapes) for one in (mean.args[0], mean))
    if whole is None or rest is None or not prod(rest) or not is_seen(whole):
        return None
    total = times(number * prod(rest) / prod(whole), ast.Call(ast.Name("sum"), mean.args, mean.keywords))
    return total if sign > 0 else minus(total)


class _Powers(ast.NodeTransformer):
    """Writes equal numbers among factors as a power, and what is squared with its 1 first."""

    def __init__(self, ranks: dict[str, int]) -> None:
        self.ranks = ranks

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return a product or a power so."""
        self.generic_visit(node)
        node = _turned(node) if isinstance(node.op, ast.Mult) else node
        match node:
            case ast.BinOp(
                left=ast.BinOp(left=inner, op=ast.Sub(), right=one), op=ast.Pow(), right=ast.Constant(value=2)
            ):
                return ast.BinOp(ast.BinOp(one, ast.Sub(), inner), ast.Pow(), ast.Constant(2)) if is_one(one) else node
            case ast.BinOp(op=ast.Mult()):
                return self._product(node)
        return node

    def _product(self, node: ast.BinOp) -> ast.expr:
        sign, whole = signed(node)
        several = factors(whole)
        counts = Counter(one.id for one in several if isinstance(one, ast.Name) and not rank(one, self.ranks))
        if max(counts.values(), default=0) < 2:  # noqa: PLR2004 (twice)
            return node
        found: list[ast.expr] = []
        for one in several:
            count = counts.pop(one.id, 0) if isinstance(one, ast.Name) and one.id in counts else None
            repeated = isinstance(one, ast.Name) and not rank(one, self.ranks)
            if count is None and repeated:
                continue
            found.append(ast.BinOp(one, ast.Pow(), ast.Constant(count)) if count is not None and count > 1 else one)
        return product(found) if sign > 0 else minus(product(found))


def _turned(node: ast.BinOp) -> ast.BinOp:
    """Return a product of which two factors are u - 1 and v - 1 with 1 - u and 1 - v; one and a sign are one too."""
    sign, whole = signed(node)
    several = factors(whole)
    places = [place for place, one in enumerate(several) if _is_less_one(one)]
    turned = places if (len(places) % 2 == 1) == (sign < 0) else places[:-1]
    if not turned:
        return node
    found = product([minus(one) if place in turned else one for place, one in enumerate(several)])
    is_negative = (sign < 0) != (len(turned) % 2 == 1)
    back = minus(found) if is_negative else found
    return back if isinstance(back, ast.BinOp) else node


def _is_less_one(node: ast.expr) -> bool:
    match node:
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return is_one(right) and not is_one(left)
    return False
