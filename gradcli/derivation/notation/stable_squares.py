"""Sums of squares that overflow, and what cancels beside their roots: written with `hypot`, or by the conjugate."""

from __future__ import annotations

import ast
import math

from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.stable_parts import (
    added,
    are_tensors,
    exponent,
    factors,
    is_one,
    minus,
    over,
    product,
    scaled,
    terms,
)
from gradcli.derivation.notation.terms import call

TWO = ast.Constant(2)


def hypotenuse_with_number(node: ast.expr) -> ast.expr | None:
    """Return hypot(a, 3) for sqrt(a**2 + 9), of a value and a positive number."""
    if not (isinstance(node, ast.Call) and callee(node) == "sqrt" and len(node.args) == 1):
        return None
    sides = _sides(node.args[0])
    return None if sides is None or all(map(are_tensors, sides)) else call("hypot", *sides)


def _sides(node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
    """Return a and b of a**2 + b**2, where one of them may be a number, as a tensor; the value comes first."""
    several = [*terms(node)]
    if len(several) != 2 or any(sign < 0 for sign, _ in several):  # noqa: PLR2004 (a right angle's)
        return None
    bases = [_base(term) for _, term in several]
    roots = [base if base is not None else _root(term) for base, (_, term) in zip(bases, several, strict=True)]
    first, second = roots
    if first is None or second is None or not any(base is not None and are_tensors(base) for base in bases):
        return None
    return (first, second) if are_tensors(first) else (second, first)


def _base(node: ast.expr) -> ast.expr | None:
    match node:
        case ast.BinOp(left=base, op=ast.Pow(), right=ast.Constant(value=2)) if are_tensors(base):
            return base
    return None


def _root(node: ast.expr) -> ast.expr | None:
    """Return the root of a positive number that has one without rounding, as a tensor."""
    number, rest = scaled(node)
    if rest is not None or number <= 0:
        return None
    root = math.sqrt(number)
    return call("tensor", ast.Constant(root)) if root * root == number else None


def over_squares(node: ast.expr) -> ast.expr | None:
    """Return a/hypot(a, b)/hypot(a, b) for a/(a**2 + b**2), of a quotient's factors."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)):
        return None
    sides = _sides(node.right)
    above = factors(node.left)
    place = next((at for at, one in enumerate(above) if sides and ast.dump(one) in {ast.dump(s) for s in sides}), None)
    if sides is None or place is None:
        return None
    root = call("hypot", *sides)
    whole = product([*above[:place], over(above[place], root), *above[place + 1 :]])
    return over(whole, root)


def sum_of_quotient(node: ast.expr) -> ast.expr | None:
    """Return 1/h for (a/h + 1)/(a + h), and -1/h for (1 - a/h)/(a - h)."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)):
        return None
    known = _over_root(node.left)
    below = [*terms(node.right)]
    if known is None or len(below) != 2:  # noqa: PLR2004 (a sum of two)
        return None
    value, root, sign = known
    texts = {ast.unparse(term): own for own, term in below}
    if texts == {ast.unparse(value): 1, ast.unparse(root): sign}:
        return over(ast.Constant(sign) if sign > 0 else ast.UnaryOp(ast.USub(), ast.Constant(1)), root)
    return None


def _over_root(node: ast.expr) -> tuple[ast.expr, ast.expr, int] | None:
    """Return a, h and the sign of the number in a/h + 1 and in a/h - 1, where h is the root of a**2 and a number."""
    several = [*terms(node)]
    if len(several) != 2:  # noqa: PLR2004 (a sum of two)
        return None
    for (own, quotient), (sign, number) in (several, several[::-1]):
        match quotient:
            case ast.BinOp(left=value, op=ast.Div(), right=root) if own > 0 and is_one(number) and _rest(root, value):
                return value, root, sign
    return None


def _rest(root: ast.expr, value: ast.expr) -> ast.expr | None:
    """Return the number c of sqrt(a**2 + c), or of hypot(a, b) with its root b."""
    match root:
        case ast.Call(func=ast.Name(id="hypot"), args=[own, ast.Call(args=[ast.Constant(value=float(other))])]):
            return ast.Constant(int(other * other)) if ast.dump(own) == ast.dump(value) else None
        case ast.Call(func=ast.Name(id="sqrt"), args=[inner]):
            several = [*terms(inner)]
            squares = [term for sign, term in several if sign > 0 and _is_square_of(term, value)]
            others = [(sign, term) for sign, term in several if term not in squares]
            is_number = len(squares) == 1 and len(others) == 1 and scaled(others[0][1])[1] is None
            return added(others) if is_number else None
    return None


def _is_square_of(node: ast.expr, value: ast.expr) -> bool:
    base = _base(node)
    return base is not None and ast.dump(base) == ast.dump(value)


def conjugate(node: ast.expr) -> ast.expr | None:
    """Return a/h - 1 as -c/(h*(h + a)) where a is positive, for h = sqrt(a**2 + c); a/h + 1 likewise."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)):
        return None
    known = _over_root(node)
    if known is None:
        opposite = minus(node) if isinstance(node.op, ast.Sub) and is_one(node.left) else None
        found = None if opposite is None else conjugate(opposite)
        return None if found is None else ast.UnaryOp(ast.USub(), found)
    value, root, sign = known
    rest = _rest(root, value)
    assert rest is not None  # noqa: S101 (it is beside the root)
    sum_ = added([(1, root), (-sign, value)])
    whole = over(rest if sign > 0 else minus(rest), product([root, sum_]))
    test = ast.Compare(value, [ast.Lt() if sign > 0 else ast.Gt()], [ast.Constant(0)])
    # The quotient stands in other words, so that it is not written anew.
    other = over(added([(1, value), (sign, root)]), root)
    return call("where", test, whole, other)


def hyperbolic_sine(node: ast.expr) -> ast.expr | None:
    """Return 2*sinh(a) for exp(a) - exp(-a)."""
    several = [*terms(node)] if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) else []
    if len(several) != 2:  # noqa: PLR2004 (a difference)
        return None
    (_, one), (_, other) = sorted(several, key=lambda term: -term[0])
    own, rest = exponent(one), exponent(other)
    if own is None or rest is None or ast.unparse(minus(own)) != ast.unparse(rest):
        return None
    return ast.BinOp(TWO, ast.Mult(), call("sinh", own))
