"""Logarithms, roots and sums of exponentials in functions that do not overflow, or that keep their digits."""

from __future__ import annotations

import ast
from functools import partial, reduce

from gradcli.derivation.notation.parsed import callee
from gradcli.derivation.notation.stable_parts import are_tensors, exponent, factors, is_one, product, terms
from gradcli.derivation.notation.terms import call
from gradcli.derivation.notation.written import text_of


def softplus(node: ast.expr) -> ast.expr | None:
    """Return the softplus of a for log(1 + exp(a)), and logaddexp(a, b) for log(exp(a) + exp(b)); of more in turn."""
    if not (isinstance(node, ast.Call) and callee(node) == "log" and len(node.args) == 1):
        return None
    several = [*terms(node.args[0])]
    ones = [term for _, term in several if is_one(term)]
    exponents = [own for _, term in several if (own := exponent(term)) is not None]
    if any(sign < 0 for sign, _ in several) or len(ones) + len(exponents) < len(several) or len(ones) > 1:
        return None
    if len(several) == 1 or (len(exponents) > 1 and not are_tensors(*exponents)):
        return None
    whole = reduce(partial(call, "logaddexp"), exponents)
    return call("softplus", whole) if ones else whole


def logsumexp(node: ast.expr) -> ast.expr | None:
    """Return the logarithm of a sum of exponentials along an axis as the function that it is."""
    match node:
        case ast.Call(
            func=ast.Name(id="log"),
            args=[
                ast.Call(
                    func=ast.Name(id="sum"), args=[ast.Call(func=ast.Name(id="exp"), args=[inner])], keywords=[along]
                )
            ],
        ):
            return ast.Call(ast.Name("logsumexp"), [inner], [along])
    return None


def softmax_of_all(node: ast.expr) -> ast.expr | None:
    """Return exp(a)*b/sum(exp(a)) over every entry with the largest one taken from a."""
    match node:
        case ast.BinOp(
            left=above,
            op=ast.Div(),
            right=ast.Call(
                func=ast.Name(id="sum"),
                args=[ast.Call(func=ast.Name(id="exp"), args=[ast.Name() as inner])],
                keywords=[],
            ),
        ):
            shifted = call("exp", ast.BinOp(inner, ast.Sub(), call("amax", inner)))
            several = factors(above)
            own = [place for place, factor in enumerate(several) if text_of(factor) == f"exp({inner.id})"]
            if own:
                several[own[0]] = shifted
                return ast.BinOp(product(several), ast.Div(), call("sum", shifted))
    return None


def log_of(node: ast.expr) -> ast.expr | None:
    """Return the logarithm of a sigmoid, or of a softmax, as the function that it is; log1p(x) for log(1 + x)."""
    match node:
        case ast.Call(func=ast.Name(id="log"), args=[ast.Call() as inner]) if callee(inner) == "sigmoid":
            return call("logsigmoid", inner.args[0])
        case ast.Call(func=ast.Name(id="log"), args=[ast.Call() as inner]) if callee(inner) == "softmax":
            return ast.Call(ast.Name("log_softmax"), inner.args, inner.keywords)
        case ast.Call(func=ast.Name(id="log"), args=[ast.BinOp(left=left, op=ast.Add(), right=right)]):
            for one, other in ((left, right), (right, left)):
                if is_one(one):
                    return call("log1p", other)
    return None


def hypotenuse(node: ast.expr) -> ast.expr | None:
    """Return hypot(a, b) for sqrt(a**2 + b**2); of more squares in turn."""
    if not (isinstance(node, ast.Call) and callee(node) == "sqrt" and len(node.args) == 1):
        return None
    several = [*terms(node.args[0])]
    sides = [_squared(term) for sign, term in several if sign > 0]
    known = [side for side in sides if side is not None]
    if not 1 < len(known) == len(several) or not are_tensors(*known):
        return None
    return reduce(partial(call, "hypot"), known)


def _squared(node: ast.expr) -> ast.expr | None:
    match node:
        case ast.BinOp(left=base, op=ast.Pow(), right=ast.Constant(value=2)):
            return base
    return None
