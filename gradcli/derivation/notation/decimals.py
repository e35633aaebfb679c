"""Numbers that a program has as decimals, in its formulas too: clamp(x, 0.8, 1.2), and 0.9*x for 9*x/10."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Collection
from fractions import Fraction

from gradcli.derivation.notation.parsed import parsed
from gradcli.derivation.notation.stable_parts import factors, minus, product, scaled, signed, terms, times
from gradcli.derivation.notation.written import text_of

# What readers write as a fraction whatever the program has.
PLAIN = frozenset({Fraction(1, 2), Fraction(1, 4)})


def typed_in(program: str) -> frozenset[Fraction]:
    """Return the decimals that a program has, and what is left of 1."""
    try:
        tokens = [*tokenize.generate_tokens(io.StringIO(program).readline)]
    except (tokenize.TokenError, SyntaxError):
        return frozenset()
    texts = [one.string.replace("_", "") for one in tokens if one.type == tokenize.NUMBER and "." in one.string]
    numbers = [Fraction(text) for text in texts if not text.endswith(("j", "J"))]
    return frozenset(one for number in numbers for one in (number, 1 - number) if one)


def decimals_in(program: str) -> frozenset[Fraction]:
    """Return those that are decimals in a formula too."""
    return frozenset(number for number in typed_in(program) if number.denominator > 1) - PLAIN


def with_decimals(text: str, decimals: Collection[Fraction]) -> str:
    """Return a formula of a whole tensor with such numbers as decimals; that of an entry as it is."""
    if not decimals or text.startswith("["):
        return text
    return text_of(_Decimals(decimals).visit(parsed(text).body))


class _Decimals(ast.NodeTransformer):
    def __init__(self, decimals: Collection[Fraction]) -> None:
        self.decimals = decimals

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return a fraction, or a multiple by one, so."""
        if not isinstance(node.op, ast.Mult | ast.Div):
            self.generic_visit(node)
            return node
        sign, whole = signed(node)
        number, rest = _scaled(whole)
        found = self._multiple(number, rest)
        if found is None:
            self.generic_visit(node)
            return node
        return found if sign > 0 else minus(found)

    def _multiple(self, number: Fraction, rest: ast.expr | None) -> ast.expr | None:
        if number in self.decimals and rest is None:
            return ast.Constant(float(number))
        if number in self.decimals and rest is not None and number.numerator > 1:
            return _product(ast.Constant(float(number)), self.visit(rest))
        return None if rest is None or number.denominator == 1 else self._spread(number, factors(rest))

    def _spread(self, number: Fraction, several: list[ast.expr]) -> ast.expr | None:
        """Return a product in which a sum has been multiplied by a number, if that makes its numbers decimals."""
        for place, factor in enumerate(several):
            inside = [(sign, *_scaled(term)) for sign, term in terms(factor)]
            numbers = [own * number for _, own, _ in inside]
            if len(inside) > 1 and all(own in self.decimals or own.denominator == 1 for own in numbers):
                whole = [(sign, self._term(own * number, rest)) for sign, own, rest in inside]
                return product([*several[:place], _sum(whole), *several[place + 1 :]])
        return None

    def _term(self, number: Fraction, rest: ast.expr | None) -> ast.expr:
        if number.denominator == 1:
            return ast.Constant(number.numerator) if rest is None else times(number, rest)
        return ast.Constant(float(number)) if rest is None else _product(ast.Constant(float(number)), rest)


def _scaled(node: ast.expr) -> tuple[Fraction, ast.expr | None]:
    """Return the number that a product begins with, over the one that divides it, and the rest of it."""
    number, rest = scaled(node)
    several = [] if rest is None else factors(rest)
    own, first = scaled(several[0]) if several else (Fraction(1), None)
    if len(several) < 2 or first is not None:  # noqa: PLR2004 (a number and what it multiplies)
        return number, rest
    return number * own, product(several[1:])


def _product(number: ast.expr, rest: ast.expr) -> ast.expr:
    return product([number, *factors(rest)])


def _sum(several: list[tuple[int, ast.expr]]) -> ast.expr:
    (sign, whole), *rest = several
    whole = whole if sign > 0 else minus(whole)
    for own, term in rest:
        whole = ast.BinOp(whole, ast.Add() if own > 0 else ast.Sub(), term)
    return whole
