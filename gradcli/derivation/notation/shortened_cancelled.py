"""What cancels in quotients: a sign with an absolute value, and how many entries two means are of."""

from __future__ import annotations

import ast

from gradcli.derivation.notation.shapes import Shapes, shape_of
from gradcli.derivation.notation.shortened_products import less_one
from gradcli.derivation.notation.shortened_quotients import Rule, sides
from gradcli.derivation.notation.stable_parts import factors, minus, over, product, terms
from gradcli.derivation.notation.terms import call


def cancelled(shapes: Shapes) -> Rule:
    """Return a rule that writes a/x for a*sign(x)/abs(x), and sum(x)/sum(y) for a quotient of means of as many."""

    def rule(node: ast.expr) -> ast.expr | None:
        if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)):
            return None
        above, below = sides(node)
        several = factors(above)
        for place, one in enumerate(several):
            for divisor in below:
                found = _quotient_of(one, divisor)
                if found is not None:
                    value, instead = found
                    rest = [instead if factor is divisor else factor for factor in below]
                    return over(
                        product([*several[:place], *value, *several[place + 1 :]] or [ast.Constant(1)]), product(rest)
                    )
        return None

    def _quotient_of(above: ast.expr, below: ast.expr) -> tuple[list[ast.expr], ast.expr] | None:
        match above, below:
            case (
                ast.Call(func=ast.Name(id="sign"), args=[inner]),
                ast.Call(func=ast.Name(id="abs"), args=[other]),
            ) if _is_either(inner, other):
                return [], inner
            case (
                ast.Call(func=ast.Name(id="mean"), args=[inner], keywords=[]),
                ast.Call(func=ast.Name(id="mean"), args=[other], keywords=[]),
            ) if shape_of(inner, shapes) == shape_of(other, shapes) is not None:
                return [call("sum", inner)], call("sum", other)
        return None

    return rule


def _is_either(one: ast.expr, other: ast.expr) -> bool:
    """Tell whether two values differ in nothing but their sign."""
    return _terms_of(one) in (_terms_of(other), _terms_of(minus(other)))


def _terms_of(node: ast.expr) -> set[tuple[int, str]]:
    return {(sign, ast.unparse(term)) for sign, term in terms(less_one(node) or node)}
