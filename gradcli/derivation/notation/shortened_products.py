"""Products as a reader writes them: quadratic forms, signs that go through a function, what choices have in common."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from itertools import takewhile
from typing import TypeGuard

from gradcli.derivation.notation.differences import EVEN, ODD
from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.ranks import MATRIX, rank
from gradcli.derivation.notation.shortened_quotients import Rule
from gradcli.derivation.notation.stable_parts import (
    added,
    factors,
    is_one,
    minus,
    over,
    product,
    scaled,
    signed,
    terms,
    times,
)
from gradcli.derivation.notation.terms import adds_axes
from gradcli.derivation.notation.written import text_of

Ranks = Mapping[str, int]


def through_sign(node: ast.expr) -> ast.expr | None:
    """Return f(b - a) for -f(a - b), -f(a) for f(-a), and abs(a) for abs(-a)."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Call(args=[ast.BinOp(op=ast.Sub()) as argument, *_]) as whole):
            return _of(whole, minus(argument)) if _is_odd(whole) else None
        case ast.Call(args=[first, *_]) if _is_odd(node) or callee(node) in EVEN:
            sign, inner = signed(first)
            positive = _of(node, inner)
            return None if sign > 0 else positive if callee(node) in EVEN else ast.UnaryOp(ast.USub(), positive)
    return None


def _of(call: ast.Call, first: ast.expr) -> ast.Call:
    return ast.Call(call.func, [first, *call.args[1:]], call.keywords)


def _is_odd(call: ast.Call) -> bool:
    """Tell whether a function is an odd one, as `clamp` is between -c and c."""
    name = callee(call)
    if name == "clamp" and len(call.args) == 3:  # noqa: PLR2004 (what it clamps, and two bounds)
        return ast.unparse(call.args[1]) == f"-{ast.unparse(call.args[2])}"
    return name in ODD and len(call.args) == 1


def quadratic(text: str, ranks: Ranks) -> Rule:
    """Return a rule that writes v @ A @ u for u @ (v @ A), and u @ A @ v for u @ (A @ v) if the latter stands alone."""

    def rule(node: ast.expr) -> ast.expr | None:
        match node:
            case ast.BinOp(left=vector, op=ast.MatMult(), right=ast.BinOp(left=one, op=ast.MatMult(), right=other)):
                kinds = rank(vector, ranks), rank(one, ranks), rank(other, ranks)
                inner = ast.BinOp(one, ast.MatMult(), other)
                if kinds == (1, 1, MATRIX):
                    times_one, rest = _numbers_of(vector, ranks)
                    return ast.BinOp(ast.BinOp(times_one(one), ast.MatMult(), other), ast.MatMult(), rest)
                if kinds == (1, MATRIX, 1) and text.count(text_of(inner)) == 1:
                    return ast.BinOp(ast.BinOp(vector, ast.MatMult(), one), ast.MatMult(), other)
        return None

    return rule


def choice(node: ast.expr) -> ast.expr | None:
    """Return 2*where(t, x, 0)/3 for where(t, 2*x/3, 0), and -where(t, x, y) for where(t, -x, -y)."""
    if not (isinstance(node, ast.Call) and callee(node) == "where" and len(node.args) == 3):  # noqa: PLR2004
        return None
    test, *both = node.args
    several = [signed(one) for one in both]
    known = [(sign, *multiple(one)) for sign, one in several if not _is_zero(one)]
    numbers = {(sign, number) for sign, number, rest in known if rest is not None}
    if len(numbers) != 1 or any(rest is None for *_, rest in known):
        return None
    ((sign, number),) = numbers
    if sign * number == 1:
        return None
    inner = iter(rest for *_, rest in known if rest is not None)
    whole = times(number, _choice(test, *(one if _is_zero(one) else next(inner) for _, one in several)))
    return whole if sign > 0 else minus(whole)


def multiple(node: ast.expr) -> tuple[Fraction, ast.expr | None]:
    """Return the number that a term, or the matrix product that it is, is multiplied by, and the rest of it."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        number, left = multiple(node.left)
        return number, None if left is None else ast.BinOp(left, node.op, node.right)
    number, rest = scaled(node)
    if isinstance(rest, ast.BinOp) and isinstance(rest.op, ast.MatMult):
        own, rest = multiple(rest)
        number *= own
    return number, rest


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0


def _choice(test: ast.expr, one: ast.expr, other: ast.expr) -> ast.Call:
    return ast.Call(ast.Name("where"), [test, one, other], [])


def less_one(node: ast.expr) -> ast.expr | None:
    """Return a + b*(1 - u) for a - b*(u - 1)."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)):
        return None
    several = [*terms(node)]
    turned = [None if sign > 0 else _turned(term) for sign, term in several]
    if not any(turned):
        return None
    return added(
        [(sign, term) if other is None else (1, other) for (sign, term), other in zip(several, turned, strict=True)]
    )


def _turned(node: ast.expr) -> ast.expr | None:
    """Return a product with the factor 1 - u for u - 1; None if it has no such factor."""
    match node:
        case ast.BinOp(left=left, op=ast.Mult() | ast.MatMult() as by, right=right):
            for one, other in ((right, left), (left, right)):
                if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Sub) and is_one(one.right):
                    turned = ast.BinOp(one.right, ast.Sub(), one.left)
                    return ast.BinOp(other, by, turned) if one is right else ast.BinOp(turned, by, right)
            found = _turned(left)
            return None if found is None else ast.BinOp(found, by, right)
    return None


class Flat(ast.NodeTransformer):
    """Writes a*(b/c) and (a/c)*b as a*b/c, and a sign among factors in front of them."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """Return -x[:, None] for (-x)[:, None]."""
        self.generic_visit(node)
        match node:
            case ast.Subscript(value=ast.UnaryOp(op=ast.USub(), operand=inner), slice=places) if adds_axes(places):
                return ast.UnaryOp(ast.USub(), ast.Subscript(inner, places))
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return a product or a quotient so."""
        self.generic_visit(node)
        match node:
            case ast.BinOp(op=ast.MatMult()) if (whole := _with_number_outside(node)) is not None:
                return whole
            case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as by, right=right) if (
                inner := _positive(right)
            ) is not None:
                return self._whole(minus(ast.BinOp(left, by, inner)))
            case ast.BinOp(left=left, op=ast.Mult(), right=ast.BinOp(left=above, op=ast.Div(), right=below)):
                return ast.BinOp(self.visit_BinOp(ast.BinOp(left, ast.Mult(), above)), ast.Div(), below)
            case ast.BinOp(left=left, op=ast.Mult(), right=ast.BinOp(left=one, op=ast.Mult(), right=other)):
                return ast.BinOp(self._whole(ast.BinOp(left, ast.Mult(), one)), ast.Mult(), other)
            case ast.BinOp(left=ast.BinOp(left=above, op=ast.Div(), right=below), op=ast.Mult(), right=right):
                whole = right if is_one(above) else self.visit_BinOp(ast.BinOp(above, ast.Mult(), right))
                return ast.BinOp(whole, ast.Div(), below)
            case ast.BinOp(left=left, op=ast.Mult() | ast.Div() | ast.MatMult() as by, right=right) if _is_negative(
                left
            ):
                return ast.BinOp(ast.UnaryOp(ast.USub(), minus(left)), by, right)
        return node

    def _whole(self, node: ast.expr) -> ast.expr:
        return self.visit_BinOp(node) if isinstance(node, ast.BinOp) else node


def _with_number_outside(node: ast.BinOp) -> ast.expr | None:
    """Return 2*A @ B/3 for A @ (2*B/3), and for (2*A/3) @ B; None where no such number is inside."""
    (first, left), (second, right) = scaled(node.left), scaled(node.right)
    number = first * second
    if left is None or right is None or (second == 1 and first.denominator == 1):
        return None
    above = left if number.numerator == 1 else ast.BinOp(ast.Constant(number.numerator), ast.Mult(), left)
    return over(ast.BinOp(above, ast.MatMult(), right), ast.Constant(number.denominator))


def sign_outside(node: ast.expr) -> ast.expr | None:
    """Return -A @ B for A @ -B, -outer(x, y) for outer(x, -y), and -A.T for (-A).T."""
    match node:
        case ast.BinOp(left=left, op=ast.MatMult() as by, right=right) if (inner := _without_sign(right)) is not None:
            return _opposite(ast.BinOp(left, by, inner))
        case ast.Call(func=ast.Name(id="outer") as function, args=[left, right]):
            one, other = _without_sign(left), _without_sign(right)
            if one is None and other is None:
                return None
            whole = ast.Call(function, [one or left, other or right], [])
            return whole if one is not None and other is not None else ast.UnaryOp(ast.USub(), whole)
        case ast.Attribute(value=matrix, attr="T" as name):
            positive = _without_sign(matrix)
            return None if positive is None else ast.UnaryOp(ast.USub(), ast.Attribute(positive, name))
    return None


def _without_sign(node: ast.expr) -> ast.expr | None:
    """Return what a product that begins with a sign is the negative of; None if it begins with none."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return inner
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() | ast.MatMult() as by, right=right):
            rest = _without_sign(left)
            return None if rest is None else ast.BinOp(rest, by, right)
    return None


def _opposite(node: ast.expr) -> ast.expr:
    """Return a product with a sign before its first factor, or without the one that it has."""
    positive = _without_sign(node)
    if positive is not None:
        return positive
    match node:
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() | ast.MatMult() as by, right=right):
            return ast.BinOp(_opposite(left), by, right)
    return ast.UnaryOp(ast.USub(), node)


def _positive(node: ast.expr) -> ast.expr | None:
    """Return what a factor is the negative of: x of -x, u + v of -u - v; None of any other."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return node.operand
    return minus(node) if _is_negative(node) else None


def _is_negative(node: ast.expr) -> bool:
    """Tell whether a factor is a sum all of whose terms are subtracted."""
    is_sum = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
    return is_sum and all(sign < 0 for sign, _ in terms(node))


class Symmetric(ast.NodeTransformer):
    """Writes A @ x for x @ A, of a symmetric matrix or its inverse; what goes on is left as it is: x @ A @ x."""

    def __init__(self, names: Collection[str], ranks: Ranks) -> None:
        self.names, self.ranks = names, ranks

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return a product so, its operands first; not one that another begins with."""
        if isinstance(node.op, ast.MatMult) and _is_matmul(node.left):
            self.generic_visit(node.left)
            node.right = self.visit(node.right)
            return node
        self.generic_visit(node)
        match node:
            case ast.BinOp(left=left, op=ast.MatMult(), right=matrix) if self._is_symmetric(matrix):
                return self._turned(left, matrix)
        return node

    def _is_symmetric(self, node: ast.expr) -> bool:
        inner = node.args[0] if isinstance(node, ast.Call) and callee(node) == "inv" else node
        return isinstance(inner, ast.Name) and inner.id in self.names

    def _turned(self, left: ast.expr, matrix: ast.expr) -> ast.expr:
        if rank(left, self.ranks) != 1:
            return ast.BinOp(left, ast.MatMult(), matrix)
        multiple, rest = _numbers_of(left, self.ranks)
        return ast.BinOp(multiple(matrix), ast.MatMult(), rest)


def _numbers_of(node: ast.expr, ranks: Ranks) -> tuple[Callable[[ast.expr], ast.expr], ast.expr]:
    """Return what multiplies by the numbers, and the sign, that a product begins with; and the rest of it."""
    sign, whole = signed(node)
    several = factors(whole)
    numbers = [*takewhile(lambda one: not rank(one, ranks), several)]

    def multiple(one: ast.expr) -> ast.expr:
        found = product([*numbers, one])
        return found if sign > 0 else minus(found)

    return multiple, product(several[len(numbers) :])


def _is_matmul(node: ast.expr) -> TypeGuard[ast.BinOp]:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)
