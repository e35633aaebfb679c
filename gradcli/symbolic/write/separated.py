"""Sums of products over three axes or more, one factor of which is a sum of matrices along fewer axes: term by term.

`sum((X[:, :, None] - Y.T)*K[:, None, :], dim=2)` is `X*sum(K, dim=1)[:, None] - K @ Y`.
"""

from __future__ import annotations

from typing import Any

from sympy import Add, Expr, Mul, Sum

from gradcli.symbolic.write.sums import settled

MATRIX = 2


def separated(body: Expr) -> Expr:
    """Return an expression in which such sums are sums of products of matrices."""
    if not body.args or not body.has(Sum):
        return body
    rebuilt: Expr = body.func(*map(separated, body.args)) if not isinstance(body, Sum) else body
    return _separated(rebuilt) if isinstance(rebuilt, Sum) else rebuilt


def _separated(whole: Sum) -> Expr:
    factors = Mul.make_args(whole.function)
    for factor in factors:
        rest = [other for other in factors if other is not factor]
        if _is_separable(factor, rest):
            return Add(*[settled(whole.func(Mul(term, *rest), *whole.limits)) for term in factor.args])
    return whole


def _is_separable(factor: Any, rest: list[Any]) -> bool:
    """Tell whether the terms of a factor, and the others, have two axes at most, but not the factor itself."""
    if not isinstance(factor, Add) or len(_indices(factor)) <= MATRIX:
        return False
    return all(len(_indices(part)) <= MATRIX for part in (*factor.args, *rest))


def _indices(body: Any) -> set[Any]:
    return {symbol for symbol in body.free_symbols if symbol.is_integer}
