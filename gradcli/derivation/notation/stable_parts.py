"""The parts of formulas that rewriting looks at: terms, factors, exponentials."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from fractions import Fraction

from gradcli.derivation.notation.parsed import names_read
from gradcli.derivation.notation.terms import call


def minus(node: ast.expr) -> ast.expr:
    """Return an expression with the other sign, written inside of it where it can be."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return inner
        case ast.BinOp(op=ast.Sub()):
            return added([(-sign, term) for sign, term in terms(node)])
        case ast.BinOp(left=left, op=ast.Mult(), right=ast.BinOp(op=ast.Sub()) as right):
            return ast.BinOp(left, ast.Mult(), minus(right))
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
            return ast.BinOp(minus(left), op, right)
    return ast.UnaryOp(ast.USub(), node)


def are_tensors(*nodes: ast.expr | None) -> bool:
    """Tell whether all of some expressions read tensors."""
    return all(node is not None and [*names_read(node)] for node in nodes)


def is_one(node: ast.expr) -> bool:
    """Tell whether an expression is the number 1."""
    return isinstance(node, ast.Constant) and node.value == 1


def exponent(node: ast.expr) -> ast.expr | None:
    """Return a of exp(a), and of u**a for a number u its multiple."""
    match node:
        case ast.Call(func=ast.Name(id="exp"), args=[inner]):
            return inner
        case ast.BinOp(left=ast.Constant(value=int() | float() as base), op=ast.Pow(), right=inner) if (
            base > 0 and not isinstance(inner, ast.Constant)
        ):
            return ast.BinOp(inner, ast.Mult(), call("log", ast.Constant(base)))
    return None


def factors(node: ast.expr) -> list[ast.expr]:
    """Return the factors of a product."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*factors(node.left), *factors(node.right)]
    return [node]


def product(several: Sequence[ast.expr]) -> ast.expr:
    """Return the product of factors."""
    whole = several[0]
    for factor in several[1:]:
        whole = ast.BinOp(whole, ast.Mult(), factor)
    return whole


def terms(node: ast.expr, sign: int = 1) -> Iterator[tuple[int, ast.expr]]:
    """Yield the terms of a sum, each with its sign; of anything else that itself."""
    match node:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as operator, right=right):
            yield from terms(left, sign)
            yield from terms(right, sign if isinstance(operator, ast.Add) else -sign)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            yield from terms(inner, -sign)
        case ast.BinOp(op=ast.Mult() | ast.Div()) if isinstance(_first(node), ast.UnaryOp):
            yield from terms(_without_sign(node), -sign)
        case _:
            yield sign, node


class Signs(ast.NodeTransformer):
    """Writes `a - -b` as `a + b`."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return a sum with the signs of its terms."""
        self.generic_visit(node)
        if isinstance(node.op, ast.Add | ast.Sub) and isinstance(_first(node.right), ast.UnaryOp):
            return added([*terms(node)])
        return node


def signed(node: ast.expr) -> tuple[int, ast.expr]:
    """Return the sign of an expression, and the rest of it."""
    several = [*terms(node)]
    return several[0] if len(several) == 1 else (1, node)


def _without_sign(node: ast.expr) -> ast.expr:
    """Return a product or quotient whose first factor has a sign without it."""
    match node:
        case ast.BinOp(left=left, op=operator, right=right):
            return ast.BinOp(_without_sign(left), operator, right)
        case ast.UnaryOp(operand=inner):
            return inner
    return node


def _first(node: ast.expr) -> ast.expr:
    """Return the first factor of a product or quotient."""
    return _first(node.left) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div) else node


def added(several: Sequence[tuple[int, ast.expr]]) -> ast.expr:
    """Return the sum of terms, one that is added first."""
    ordered = sorted(several, key=lambda term: term[0] < 0)
    (sign, whole), *rest = ordered
    whole = whole if sign > 0 else minus(whole)
    for sign, term in rest:
        whole = ast.BinOp(whole, ast.Add() if sign > 0 else ast.Sub(), term)
    return whole


def scaled(node: ast.expr) -> tuple[Fraction, ast.expr | None]:
    """Return the number that a term is multiplied by, and the rest of it; None if it is that number."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return Fraction(str(value)), None
        case ast.BinOp(left=ast.Constant(value=int() | float() as value), op=ast.Mult(), right=right):
            return Fraction(str(value)), right
        case ast.BinOp(left=left, op=ast.Div(), right=ast.Constant(value=int(value))) if value:
            number, rest = scaled(left)
            return number / value, rest
    return Fraction(1), node


def times(number: Fraction, node: ast.expr) -> ast.expr:
    """Return a positive multiple of an expression."""
    own, rest = scaled(node)
    if own != 1 and rest is not None:
        return times(number * own, rest)
    if rest is None:
        number, node = number * own, ast.Constant(1)
    above, below = ast.Constant(number.numerator), ast.Constant(number.denominator)
    whole = node if number.numerator == 1 else above if rest is None else ast.BinOp(above, ast.Mult(), node)
    return whole if number.denominator == 1 else ast.BinOp(whole, ast.Div(), below)


def powers(node: ast.expr) -> list[tuple[ast.expr, int]]:
    """Return the factors of a product, each with its whole power."""
    found = []
    for factor in factors(node):
        match factor:
            case ast.BinOp(left=base, op=ast.Pow(), right=ast.Constant(value=int(count))) if count > 0:
                found.append((base if count % 2 else signed(base)[1], count))
            case _:
                found.append((factor, 1))
    return found


def multiplied(several: Sequence[tuple[ast.expr, int]]) -> ast.expr:
    """Return the product of factors of whole powers, 1 of none; those that are left out have the power 0."""
    signs = [base for base, _ in several if ast.unparse(base) == "-1"]
    kept = [(base, count) for base, count in several if count and base not in signs]
    whole = [base if count == 1 else ast.BinOp(base, ast.Pow(), ast.Constant(count)) for base, count in kept]
    found = product(whole) if whole else ast.Constant(1)
    return minus(found) if len(signs) % 2 else found


def over(above: ast.expr, below: ast.expr) -> ast.expr:
    """Return a quotient."""
    return above if is_one(below) else ast.BinOp(above, ast.Div(), below)
