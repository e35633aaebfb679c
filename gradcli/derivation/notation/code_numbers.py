"""Numbers in code as a reader would type them: 0.8 rather than 4/5, and one number rather than a product of two."""

from __future__ import annotations

import ast
from collections.abc import Collection
from fractions import Fraction

LONGEST = 6  # characters of a decimal
MOST = 10  # times a number that was typed, of a fraction that comes from it


def decimal(number: Fraction) -> str | None:
    """Return a fraction as a short decimal; None if it is none."""
    text = str(float(number))
    return text if number.denominator != 1 and len(text) <= LONGEST and Fraction(text) == number else None


def with_typed_numbers(node: ast.expr, typed: Collection[Fraction]) -> ast.expr:
    """Return an expression with decimals in the place of fractions of a number that was `typed`.

    A quotient of two numbers is a decimal in any case. What is divided by a length, `2*x/5`, stays as it is.
    """
    found: ast.expr = _Decimals(typed).visit(node)
    return found


class _Decimals(ast.NodeTransformer):
    def __init__(self, typed: Collection[Fraction]) -> None:
        self.typed = typed

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """Return what is read at places, which stay whole numbers."""
        return ast.Subscript(self.visit(node.value), node.slice, ast.Load())

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return a product whose numbers are one decimal in front of it, if they are to be."""
        if not isinstance(node.op, ast.Mult | ast.Div):
            self.generic_visit(node)
            return node
        above, below = _factors(node)
        numbers = [_number(one) for one in above], [_number(one) for one in below]
        is_quotient = any(one is not None for one in numbers[1])
        several = sum(one is not None for side in numbers for one in side) > 1
        if (is_quotient or several) and (text := self._decimal(*numbers)):
            return _product(text, *(self._others(side) for side in (above, below)))
        return self._visited(node)

    def _others(self, side: list[ast.expr]) -> list[ast.expr]:
        return [self.visit(one) for one in side if _number(one) is None]

    def _visited(self, node: ast.expr) -> ast.expr:
        """Return a product with its factors visited."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            return ast.BinOp(self._visited(node.left), node.op, self.visit(node.right))
        found: ast.expr = self.visit(node)
        return found

    def _decimal(self, above: list[Fraction | None], below: list[Fraction | None]) -> str | None:
        whole = Fraction(1)
        for one in above:
            whole *= one or 1
        for one in below:
            whole /= one or 1
        text = decimal(whole)
        is_alone = None not in above and None not in below
        return text if text and (is_alone or self._is_typed(whole) or _has_decimal([*above, *below])) else None

    def _is_typed(self, number: Fraction) -> bool:
        return any((number / one).denominator == 1 and abs(number / one) <= MOST for one in self.typed)


def _has_decimal(numbers: list[Fraction | None]) -> bool:
    return any(one is not None and one.denominator != 1 for one in numbers)


def _factors(node: ast.expr) -> tuple[list[ast.expr], list[ast.expr]]:
    """Return what stands above and below the line, from the left."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        above, below = _factors(node.left)
        return ([*above, node.right], below) if isinstance(node.op, ast.Mult) else (above, [*below, node.right])
    return [node], []


def _number(node: ast.expr) -> Fraction | None:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            number = _number(inner)
            return None if number is None else -number
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool) and number:
            return Fraction(str(number)) if abs(number) < float("inf") else None
    return None


def _product(number: str, above: list[ast.expr], below: list[ast.expr]) -> ast.expr:
    """Return a number times a product, as far as it has factors."""
    whole: ast.expr = ast.Constant(float(number))
    if number.startswith("-"):
        whole = ast.UnaryOp(ast.USub(), ast.Constant(-float(number)))
    for one in above:
        whole = ast.BinOp(whole, ast.Mult(), one)
    for one in below:
        whole = ast.BinOp(whole, ast.Div(), one)
    return whole
