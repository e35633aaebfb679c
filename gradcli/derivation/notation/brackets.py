"""Brackets that Python does not need, and readers do: where what is multiplied entry by entry meets `@`."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import takewhile

from gradcli.derivation.notation.parsed import parsed
from gradcli.derivation.notation.ranks import rank


def bracketed(node: ast.AST, ranks: Mapping[str, int] | None = None) -> str:
    """Return an expression as text, a quotient that a matrix product begins with in parentheses: `(1 / x) @ A`.

    Python reads `1 / x @ A` from the left too, but not every reader does. Where the `ranks` of tensors are known, so is
    a product entry by entry, `(x * y) @ A`, and a matrix product that is multiplied entry by entry, `(A @ x) * y`.
    """
    text = ast.unparse(node)
    if "@" not in text or not ("/" in text or (ranks and "*" in text)):
        return text
    return ast.unparse(_Brackets(ranks or {}).visit(deepcopy(node)))


def readable(text: str, ranks: Mapping[str, int]) -> str:
    """Return a formula with these parentheses; that of an entry as it is."""
    return text if text.startswith("[") else compact(bracketed(parsed(text).body, ranks))


def compact(text: str) -> str:
    """Return an expression with the factors of a product close together."""
    for sign in ("*", "/", "**"):
        text = text.replace(f" {sign} ", sign)
    return text


class _Brackets(ast.NodeTransformer):
    """Puts what a reader could take for something else in parentheses."""

    def __init__(self, ranks: Mapping[str, int]) -> None:
        self.ranks = ranks

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Return a product with the operand that it begins with so."""
        outside = _factors_outside(node, self.ranks)
        self.generic_visit(node)
        return node if outside is None else _beginning_with(node, outside, signs=bool(self.ranks))


def with_parentheses(found: ast.BinOp, node: ast.BinOp, ranks: Mapping[str, int]) -> ast.BinOp:
    """Return an operation in the words of a library with the parentheses that readers need, as it is in a formula."""
    outside = _factors_outside(node, ranks)
    return found if outside is None else _beginning_with(found, outside, signs=bool(ranks))


def _factors_outside(node: ast.BinOp, ranks: Mapping[str, int]) -> int | None:
    """Return how many factors stand before the parenthesis that a product begins with; None if it has none.

    Of tensors whose ranks are not known it is only a quotient that needs one.
    """
    match node:
        case ast.BinOp(left=ast.BinOp(op=ast.Div()), op=ast.MatMult()):
            return 0
        case _ if not ranks:
            return None
        case ast.BinOp(left=ast.BinOp(op=ast.Mult()) as left, op=ast.MatMult()):
            several = [rank(one, ranks) for one in _factors(left)]
            numbers = len([*takewhile(lambda one: not one, several)])
            return numbers if sum(one > 0 for one in several) > 1 else None
        case ast.BinOp(left=ast.BinOp(op=ast.MatMult()), op=ast.Mult()):
            return 0
        case ast.BinOp(left=ast.BinOp(op=ast.MatMult()), op=ast.Div(), right=right):
            return 0 if rank(right, ranks) else None
    return None


def _beginning_with(node: ast.BinOp, outside: int, *, signs: bool) -> ast.BinOp:
    """Return a product whose first operand has parentheses after so many factors: a name, written as it stands.

    With `signs`, that of a quotient is before them: it is read as that of all.
    """
    return ast.BinOp(_in_parentheses(node.left, outside, signs=signs), node.op, node.right)


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), node.right]
    return [node]


def _in_parentheses(node: ast.expr, outside: int, *, signs: bool) -> ast.Name:
    """Return a product as a name: with a sign, and so many of its factors, before the parenthesis around the others."""
    is_quotient = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
    is_negative = isinstance(node, ast.BinOp) and _begins_with_sign(node) and (signs or not is_quotient)
    several = _factors(_without_sign(node) if is_negative else node)
    front = "".join(f"{ast.unparse(one)} * " for one in _apart(several[:outside]))
    return ast.Name(f"{'-' if is_negative else ''}{front}({ast.unparse(_product(several[outside:]))})")


def _begins_with_sign(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        return _begins_with_sign(node.left)
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _without_sign(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.BinOp):
        return ast.BinOp(_without_sign(node.left), node.op, node.right)
    return node.operand if isinstance(node, ast.UnaryOp) else node


def _apart(several: Sequence[ast.expr]) -> list[ast.expr]:
    """Return factors as they stand in a product."""
    return [one if not isinstance(one, ast.BinOp) else ast.Name(f"({ast.unparse(one)})") for one in several]


def _product(several: Sequence[ast.expr]) -> ast.expr:
    whole = several[0]
    for one in several[1:]:
        whole = ast.BinOp(whole, ast.Mult(), one)
    return whole
