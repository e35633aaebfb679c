"""Sums with as few minus signs as may be: a factor -x - 1 + t is -(x + 1 - t), and the sign goes where it cancels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sympy import Add, Expr, Integer, Mul, Pow, Sum


def upright(body: Any) -> Any:
    """Return an expression in which no factor is a sum with more minus than plus signs.

    A sign before a product is gone if a factor takes it, in a sum of products only for fewer in all.
    """
    return _signless(_upright(body), 2)


def _upright(body: Any) -> Any:
    if not body.args or not body.has(Add):
        return body
    parts = [*map(_upright, body.args)]
    if isinstance(body, Mul | Pow):
        factors = parts if isinstance(body, Mul) else [body.func(*parts)]
        return _product([part for factor in factors for part in _turned(factor)])
    if isinstance(body, Add):
        return Add(*[_signless(term, 1) for term in parts])
    rebuilt = body.func(*parts)
    return _outside(rebuilt) if isinstance(rebuilt, Sum) else rebuilt


def _product(factors: Sequence[Any]) -> Any:
    """Return a product; a number stays before a sum, by whose terms sympy would multiply it."""
    whole = Mul(*factors)
    number, rest = Mul(*[one for one in factors if one.is_Number]), [one for one in factors if not one.is_Number]
    is_spread = isinstance(whole, Add) and len(rest) == 1 and abs(number) != 1
    return Mul(number, *rest, evaluate=False) if is_spread else whole


def _signless(product: Any, more: int) -> Any:
    """Return a product without the sign before it, where a factor takes it for less than so many minus signs more."""
    if not product.as_coeff_Mul()[0].is_negative:
        return product
    factors = [*Mul.make_args(product)]
    for place, factor in enumerate(factors):
        turned = _turned_within(factor, more)
        if len(turned) > 1:
            return _product([*factors[:place], *turned, *factors[place + 1 :]])
    return product


def _turned_within(factor: Any, more: int) -> tuple[Any, ...]:
    """Return a factor, or -1 and its negative, that of a sum of products by a factor of these."""
    if not isinstance(factor, Sum):
        return _turned(factor, more)
    turned = _signless(-factor.function, more)
    return (factor,) if turned == -factor.function else (Integer(-1), factor.func(turned, *factor.limits))


def _turned(factor: Any, more: int = 0) -> tuple[Any, ...]:
    """Return a factor, or -1 and its negative where that has fewer minus signs than it has, and `more`."""
    base, power = factor.as_base_exp() if isinstance(factor, Pow) else (factor, 1)
    if not isinstance(base, Add) or not _is_odd(power):
        return (factor,)
    signs = _minus_signs(base)
    if len(base.args) - signs >= signs + more or (more and _is_difference(base)):
        return (factor,)
    return Integer(-1), Pow(Add(*[-term for term in base.args]), power)


def _is_difference(terms: Add) -> bool:
    """Tell whether a sum is x - m: which of the two comes first is the program's choice."""
    return len(terms.args) == 2 and _minus_signs(terms) == 1 and not terms.args[0].is_Number  # noqa: PLR2004


def _minus_signs(terms: Add) -> int:
    return sum(term.could_extract_minus_sign() for term in terms.args)


def _outside(total: Sum) -> Expr:
    """Return a sum with the sign of its terms before it."""
    number, rest = total.function.as_coeff_Mul()
    return -total.func(-number * rest, *total.limits) if number.is_negative else total


def _is_odd(power: Any) -> bool:
    return bool(power == 1 or (power.is_Integer and power % 2))
