"""Products of a sum and a difference, one of whose terms is a number: (1 - t)*(1 + t) is 1 - t**2."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from sympy import Add, Expr, Mul, expand


def squared(body: Any) -> Any:
    """Return an expression with such products as differences of squares."""
    if not body.args or not body.has(Add):
        return body
    parts = [squared(part) for part in body.args]
    rebuilt = body if parts == [*body.args] else body.func(*parts)
    return _squared(rebuilt) if isinstance(rebuilt, Mul) else rebuilt


def _squared(product: Any) -> Expr:
    sums = [factor for factor in Mul.make_args(product) if isinstance(factor, Add) and len(factor.args) == 2]  # noqa: PLR2004
    for one, other in combinations(sums, 2):
        both = expand(one * other, deep=False)
        if one.args[0].is_Number and isinstance(both, Add) and len(both.args) == 2:  # noqa: PLR2004
            rest = Mul(*[factor for factor in product.args if factor not in {one, other}])
            return Mul(both, _squared(rest))
    return product
