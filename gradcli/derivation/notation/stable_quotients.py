"""Quotients of exponentials, and of hyperbolic functions, that do not overflow."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from fractions import Fraction

from gradcli.derivation.notation.stable_parts import (
    added,
    exponent,
    factors,
    is_one,
    minus,
    multiplied,
    over,
    powers,
    product,
    scaled,
    signed,
    terms,
    times,
)
from gradcli.derivation.notation.terms import call

Power = tuple[ast.expr, int]
Weighted = tuple[Fraction, ast.expr | None]
# What has two terms is a sigmoid's.
FEWEST = 3


def _summands(node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return left, right
    return None


def _apart(node: ast.expr, below: ast.expr) -> ast.expr | None:
    """Return a - b where a is the exponent of a node and below is exp(a) + exp(b), or exp(a) + 1."""
    own, pair = exponent(node), _summands(below)
    if own is None or pair is None:
        return None
    for one, other in (pair, pair[::-1]):
        if ast.unparse(one) == ast.unparse(node):
            if is_one(other):
                return own
            rest = exponent(other)
            return None if rest is None else _difference(own, rest)
    return None


def _difference(own: ast.expr, rest: ast.expr) -> ast.expr:
    match own, rest:
        case (
            ast.BinOp(left=one, op=ast.Mult(), right=ast.Call() as scale),
            ast.BinOp(left=other, op=ast.Mult(), right=ast.Call() as same),
        ) if ast.unparse(scale) == ast.unparse(same):
            return ast.BinOp(ast.BinOp(one, ast.Sub(), other), ast.Mult(), scale)
    return ast.BinOp(own, ast.Sub(), rest)


def logistic(node: ast.expr) -> ast.expr | None:
    """Return sigmoid(a - b) for c*exp(a)/(exp(a) + exp(b)), and sigmoid(-a) for 1/(1 + exp(a))."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)):
        return None
    sign, above = signed(node.left)
    if sign < 0:
        positive = logistic(ast.BinOp(above, node.op, node.right))
        return None if positive is None else minus(positive)
    below = factors(node.right)
    for place, factor in enumerate(below):
        sum_, others = _one_of_power(factor)
        found = _over_sum(node.left, sum_) or _spread(node.left, sum_)
        if found is not None:
            rest = [*below[:place], *others, *below[place + 1 :]]
            return found if not rest else ast.BinOp(found, ast.Div(), product(rest))
    return None


def _one_of_power(node: ast.expr) -> tuple[ast.expr, list[ast.expr]]:
    """Return a factor of a whole power, and the power of those that are left."""
    match node:
        case ast.BinOp(left=base, op=ast.Pow(), right=ast.Constant(value=int(count))) if count > 1:
            return base, [base if count == 2 else ast.BinOp(base, ast.Pow(), ast.Constant(count - 1))]  # noqa: PLR2004
    return node, []


def _over_sum(above: ast.expr, below: ast.expr) -> ast.expr | None:
    several = factors(above)
    for place, factor in enumerate(several):
        argument = _apart(factor, below)
        if argument is not None:
            return product([*several[:place], call("sigmoid", argument), *several[place + 1 :]])
    pair = _summands(below)
    for one, other in (pair, pair[::-1]) if pair else ():
        if is_one(other) and (inner := exponent(one)) is not None:
            found = call("sigmoid", minus(inner))
            return found if is_one(above) else ast.BinOp(above, ast.Mult(), found)
    return None


def _spread(above: ast.expr, below: ast.expr) -> ast.expr | None:
    """Return a sum over a sum of exponentials term by term, where each term has a sigmoid."""
    if not (isinstance(above, ast.BinOp) and isinstance(above.op, ast.Add | ast.Sub)):
        return None
    left, right = _over_sum(above.left, below), _over_sum(above.right, below)
    return None if left is None or right is None else ast.BinOp(left, above.op, right)


def one_of_many(node: ast.expr) -> ast.expr | None:
    """Return 1/(1 + exp(b - a) + exp(c - a)) for exp(a)/(exp(a) + exp(b) + exp(c)), of a quotient's factors."""
    sides = _sides(node)
    below = [] if sides is None else factors(sides[1])
    for place, factor in enumerate(below):
        sum_, others = _one_of_power(factor)
        found = None if sides is None else _over_many(sides[0], sum_)
        if found is not None:
            above, shifted = found
            left = [*below[:place], *([] if is_one(shifted) else [shifted]), *others, *below[place + 1 :]]
            return over(above, product(left or [shifted]))
    return None


def _sides(node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
    """Return what is above and below the line: of a/b/c it is a and b*c."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)):
        return None
    if isinstance(node.right, ast.UnaryOp) and isinstance(node.right.op, ast.USub):
        return _sides(ast.BinOp(minus(node.left), ast.Div(), node.right.operand))
    inner = _sides(node.left)
    return (node.left, node.right) if inner is None else (inner[0], product([inner[1], node.right]))


def _over_many(above: ast.expr, below: ast.expr) -> tuple[ast.expr, ast.expr] | None:
    """Return a quotient by a sum of more than two exponentials; a sum of them over it term by term."""
    several = _exponentials(below)
    if several is None:
        return None
    for place, factor in enumerate(whole := factors(above)):
        own = exponent(factor)
        if own is not None and any(_same(own, other) for _, other in several):
            return product([*whole[:place], *whole[place + 1 :]] or [ast.Constant(1)]), _shifted(several, own)
    for place, factor in enumerate(whole):
        inner = [*terms(factor)]
        parts = [(sign, _part_over(term, below, several)) for sign, term in inner] if len(inner) > 1 else []
        known = [(sign, part) for sign, part in parts if part is not None]
        if known and len(known) == len(inner):
            return product([*whole[:place], added(known), *whole[place + 1 :]]), ast.Constant(1)
    return None


def _part_over(term: ast.expr, below: ast.expr, several: Sequence[Weighted]) -> ast.expr | None:
    """Return one term over a sum of exponentials; a number is over it as it is, where it is one of them."""
    if scaled(term)[1] is None and any(other is None for _, other in several):
        return over(term, below)
    found = _over_many(term, below)
    return None if found is None else over(*found)


def _exponentials(node: ast.expr) -> list[Weighted] | None:
    """Return the terms of a sum of exponentials, None for the exponent of a number; None if it is no such sum."""
    found: list[Weighted] = []
    for sign, term in terms(node):
        number, rest = scaled(term)
        own = None if rest is None else exponent(rest)
        if sign < 0 or (rest is not None and own is None):
            return None
        found.append((number, own))
    return found if len(found) >= FEWEST else None


def _same(one: ast.expr, other: ast.expr | None) -> bool:
    return other is not None and ast.dump(one) == ast.dump(other)


def _shifted(several: Sequence[Weighted], own: ast.expr) -> ast.expr:
    """Return a sum of exponentials divided by one of them."""
    found: list[tuple[int, ast.expr]] = []
    for number, other in several:
        if _same(own, other):
            found.insert(0, (1, times(number, ast.Constant(1))))
        else:
            inside = minus(own) if other is None else _less(other, own)
            found.append((1, times(number, call("exp", inside))))
    return added(found)


def _less(one: ast.expr, other: ast.expr) -> ast.expr:
    """Return a difference, of multiples of one value as one multiple."""
    (number, rest), (taken, same) = scaled(one), scaled(other)
    if rest is None or same is None or not _same(rest, same):
        return ast.BinOp(one, ast.Sub(), other)
    left = number - taken
    return times(left, rest) if left > 0 else minus(times(-left, rest))


def hyperbolic(node: ast.expr) -> ast.expr | None:
    """Return tanh(a)/cosh(a) for sinh(a)/cosh(a)**2, and its like."""
    above, below = _powers_of_sides(node)
    for place, (one, count) in enumerate(above):
        for other_place, (other, times_) in enumerate(below):
            match one, other:
                case (
                    ast.Call(func=ast.Name(id="sinh"), args=[inner]),
                    ast.Call(func=ast.Name(id="cosh"), args=[same]),
                ) if _same(inner, same) and count <= times_:
                    above[place] = call("tanh", inner), count
                    below[other_place] = other, times_ - count
                    return over(multiplied(above), multiplied(below))
    return None


def exponential_less_one(node: ast.expr) -> ast.expr | None:
    """Return -1/expm1(-a) for exp(a)/expm1(a), of a quotient's factors."""
    above, below = _powers_of_sides(node)
    for place, (one, count) in enumerate(above):
        for other_place, (other, times_) in enumerate(below):
            own, inner = exponent(one), _of_expm1(other)
            if own is not None and inner is not None and _same(own, inner) and count == 1:
                below[other_place : other_place + 1] = [(other, times_ - 1), (call("expm1", minus(own)), 1)]
                return over(minus(multiplied(above[:place] + above[place + 1 :])), multiplied(below))
    return None


def _powers_of_sides(node: ast.expr) -> tuple[list[Power], list[Power]]:
    """Return the factors above and below the line, with their powers, -1 among them where it has another sign."""
    sides = _sides(node)
    if sides is None:
        return [], []
    sign, above = signed(sides[0])
    return [*([(ast.UnaryOp(ast.USub(), ast.Constant(1)), 1)] if sign < 0 else []), *powers(above)], powers(sides[1])


def _of_expm1(node: ast.expr) -> ast.expr | None:
    """Return a of expm1(a)."""
    match node:
        case ast.Call(func=ast.Name(id="expm1"), args=[inner]):
            return inner
    return None
