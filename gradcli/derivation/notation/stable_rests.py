"""Differences of nearly equal numbers, such as exp(x) - 1 and 1 - cos(x), as functions that keep their digits."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from fractions import Fraction

from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.stable_parts import added, is_one, minus, over, product, scaled, terms, times
from gradcli.derivation.notation.terms import call

Signed = tuple[int, ast.expr]


def rest_of_one(node: ast.expr) -> ast.expr | None:
    """Return a sum in which a function that is nearly 1 somewhere, less 1, is one that is nearly 0 there."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)):
        return None
    several = [*terms(node)]
    for place, (sign, term) in enumerate(several):
        number, rest = scaled(term)
        for other, (own, constant) in enumerate(several):
            one, nothing = scaled(constant)
            if rest is None or nothing is not None or not one:
                continue
            found = _joined(rest, sign * number, own * one)
            if found is not None:
                left = [term for index, term in enumerate(several) if index not in {place, other}]
                return added([*left[:place], found, *left[place:]])
    return None


def _joined(node: ast.expr, multiple: Fraction, constant: Fraction) -> Signed | None:
    """Return so many times a value, plus a constant, as one term; None if that does not cancel."""
    sign = 1 if multiple > 0 else -1
    if multiple == -2 * constant and (halves := _less_half(node)) is not None:
        return sign, times(abs(constant), halves)
    known = {constant: _plus_one, -constant: _less_one}.get(multiple)
    found = None if known is None else known(node)
    if found is None:
        return None
    own, rest = found
    return own * sign, times(abs(constant), rest)


def _halved(node: ast.expr) -> ast.expr:
    return ast.BinOp(node, ast.Div(), ast.Constant(2))


def _doubled(node: ast.expr, number: int) -> ast.expr:
    return ast.BinOp(ast.Constant(2) if number > 0 else ast.UnaryOp(ast.USub(), ast.Constant(2)), ast.Mult(), node)


def _square(node: ast.expr) -> ast.expr:
    return ast.BinOp(node, ast.Pow(), ast.Constant(2))


def _tails(inner: ast.expr) -> ast.expr:
    """Return 1 - tanh(a)**2."""
    return product([ast.Constant(4), *(call("sigmoid", _doubled(inner, sign)) for sign in (1, -1))])


def _twice(node: ast.expr) -> ast.expr:
    return ast.BinOp(ast.Constant(2), ast.Mult(), node)


# What a function of a value is less 1: a sign and what keeps its digits.
LESS_ONE: Mapping[str, Callable[[ast.expr], Signed]] = {
    "exp": lambda inner: (1, call("expm1", inner)),
    "cos": lambda inner: (-1, _twice(_square(call("sin", _halved(inner))))),
    "cosh": lambda inner: (1, _twice(_square(call("sinh", _halved(inner))))),
    "sigmoid": lambda inner: (-1, call("sigmoid", minus(inner))),
    "tanh": lambda inner: (-1, _twice(call("sigmoid", _doubled(inner, -1)))),
    "erf": lambda inner: (-1, call("erfc", inner)),
}
# And what it is plus 1.
PLUS_ONE: Mapping[str, Callable[[ast.expr], Signed]] = {
    "tanh": lambda inner: (1, _twice(call("sigmoid", _doubled(inner, 1)))),
    "erf": lambda inner: (1, call("erfc", minus(inner))),
}


def _less_one(node: ast.expr) -> Signed | None:
    match node:
        case ast.Call(args=[inner], keywords=[]) if callee(node) in LESS_ONE:
            return LESS_ONE[callee(node) or ""](inner)
        case ast.Call(func=ast.Name(id="sqrt"), args=[inner]):
            return _root_less_one(node, inner)
        case ast.Call(func=ast.Name(id="hypot"), args=[side, ast.Call(args=[other])]) if is_one(other):
            return 1, ast.BinOp(side, ast.Mult(), over(side, ast.BinOp(node, ast.Add(), ast.Constant(1))))
        case ast.BinOp(left=ast.Call(func=ast.Name(id="tanh"), args=[inner]), op=ast.Pow(), right=right):
            return (-1, _tails(inner)) if _is_two(right) else None
        case ast.BinOp(
            left=above,
            op=ast.Div(),
            right=ast.BinOp(left=ast.Call(func=ast.Name(id="tanh"), args=[inner]), op=ast.Pow(), right=right),
        ) if is_one(above) and _is_two(right):
            return 1, over(ast.Constant(1), _square(call("sinh", inner)))
    return None


def _plus_one(node: ast.expr) -> Signed | None:
    known = PLUS_ONE.get(callee(node) or "") if isinstance(node, ast.Call) else None
    return known(node.args[0]) if isinstance(node, ast.Call) and known is not None else None


def _root_less_one(node: ast.expr, inner: ast.expr) -> Signed | None:
    """Return sqrt(u + 1) - 1 as u/(sqrt(u + 1) + 1)."""
    several = [*terms(inner)]
    place = next((place for place, (sign, term) in enumerate(several) if sign > 0 and is_one(term)), None)
    if place is None or len(several) == 1:
        return None
    return 1, over(added(several[:place] + several[place + 1 :]), ast.BinOp(node, ast.Add(), ast.Constant(1)))


def _less_half(node: ast.expr) -> ast.expr | None:
    """Return 2*sigmoid(a) - 1."""
    match node:
        case ast.Call(func=ast.Name(id="sigmoid"), args=[inner]):
            return call("tanh", _halved(inner))
    return None


def _is_two(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 2  # noqa: PLR2004 (a square)
