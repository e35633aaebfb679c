"""Functions that an expression is not written in, but that it is made of: sigmoids, tangents, absolute values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy
from sympy import Expr, Piecewise

from gradcli.symbolic.write.sums import bound_indices

LARGE = 60  # operations; beyond this, expanding and cancelling cost more than they give

Logistic = sympy.Function("sigmoid", real=True)


def in_known_functions(body: Expr) -> Expr:
    """Return an expression in terms of sigmoids and of tangents; where it is large, terms and long sums each apart."""
    if isinstance(body, Piecewise):
        return Piecewise(*((in_known_functions(branch.expr), branch.cond) for branch in body.args))
    if body.count_ops() > LARGE:
        return _part_by_part(body)
    logistic = _with_logistic(body)
    return _with_tangents(min(logistic, key=length) if logistic else body)


def _part_by_part(body: Expr) -> Expr:
    """Return a sum with its terms, and a product with its long sums and the rest of it, in terms of such functions."""
    if body.is_Add:
        return sympy.Add(*map(in_known_functions, body.args))
    sums = [factor for factor in sympy.Mul.make_args(body) if factor.is_Add and factor.count_ops() > LARGE // 2]
    rest = [factor for factor in sympy.Mul.make_args(body) if factor not in sums]
    return sympy.Mul(*map(_part_by_part, sums), in_known_functions(sympy.Mul(*rest))) if sums else body


def _with_tangents(body: Expr) -> Expr:
    """Return an expression with tanh(u) for sinh(u)/cosh(u), tan(u) for sin(u)/cos(u), and |u| for sign(u)*u."""
    found = body.xreplace(
        {
            product: product / sign * sympy.Abs(*sign.args) / sign.args[0]
            for product in body.atoms(sympy.Mul)
            for sign in product.args
            if isinstance(sign, sympy.sign) and product.as_powers_dict().get(sign.args[0], 0) >= 1
        }
    )
    for above, below, quotient in ((sympy.sinh, sympy.cosh, sympy.tanh), (sympy.sin, sympy.cos, sympy.tan)):
        arguments = [one.args[0] for one in found.atoms(above) if found.has(below(one.args[0]))]
        way = found.xreplace({above(one): quotient(one) * below(one) for one in arguments})
        found = min(found, way, key=length)
    return found


def _with_logistic(body: Expr) -> list[Expr]:
    """Return the expression in terms of sigmoid(u) = 1/(1 + exp(-u)), where a denominator holds that.

    A power of another number is an exponential too: 2**u is exp(u*log(2)).
    """
    powers: dict[Expr, Expr] = {}
    bound = bound_indices(body)
    for power in sorted(body.atoms(sympy.Pow), key=sympy.default_sort_key):
        if _is_of_logistic(power):
            one, other = power.base.args
            if one == 1 and _is_exponential(other) and other.free_symbols.isdisjoint(bound):
                powers[power] = other
    found = _sigmoids(list(dict.fromkeys(powers.values())))
    if not found:
        return []
    names = {value: sympy.Dummy(positive=True) for whole in found.values() for value in whole.atoms(Logistic)}
    values = {other: value.xreplace(names) for other, value in found.items()}
    rest = {
        exponential: ((1 - value) / value) ** times
        for exponential in filter(_is_exponential, body.atoms(sympy.exp, sympy.Pow))
        for other, value in values.items()
        for times in (sympy.cancel(_exponent(exponential) / _exponent(other)),)
        if times.is_Integer
    }
    rewritten = body.xreplace({power: values[other] ** -power.exp for power, other in powers.items()})
    # log(1 + exp(u)) is what readers know: no sigmoid is in it.
    logarithms = {log: sympy.Dummy(real=True) for log in rewritten.atoms(sympy.log) if any(map(log.has, rest))}
    rewritten = rewritten.xreplace(logarithms).xreplace(rest)
    back = {name: value for value, name in (*logarithms.items(), *names.items())}
    apart = sympy.Add(*[_cancelled(term, [*names.values()]) for term in sympy.Add.make_args(rewritten)])
    ways = (apart, _cancelled(rewritten, [*names.values()]))
    return [_turned(way.xreplace(back).xreplace(back)) for way in ways]


def _is_of_logistic(power: Expr) -> bool:
    """Tell whether a power may be one of 1/(1 + v): by a negative whole number, or by what is no number."""
    is_wanted = power.exp.is_negative if power.exp.is_Integer else not power.exp.is_number
    return bool(is_wanted and power.base.is_Add and len(power.base.args) == 2)  # noqa: PLR2004


def _cancelled(product: Expr, names: Sequence[Expr]) -> Expr:
    """Return a product whose factors in terms of some names are one quotient of products; the others stay."""
    number, rest = product.as_coeff_Mul(rational=True)
    others, own = rest.as_independent(*names, as_Add=False)
    name = sympy.Dummy(positive=True)  # of the others, a sum among which is not multiplied by a number
    return number * sympy.factor(sympy.cancel(name * own)).xreplace({name: others})


def _sigmoids(exponentials: Sequence[Expr]) -> dict[Expr, Expr]:
    """Return 1/(1 + v) for each exponential v, by sigmoids: 1 - sigmoid(u) for exp(u) where exp(-u) is another."""
    exponents = [_exponent(one) for one in exponentials]
    found = {}
    for exponential, exponent in zip(exponentials, exponents, strict=True):
        is_turned = exponent.could_extract_minus_sign() is False and any(
            sympy.expand(exponent + other) == 0 for other in exponents
        )
        found[exponential] = 1 - _sigmoid(exponent) if is_turned else _sigmoid(-exponent)
    return found


def _sigmoid(argument: Expr) -> Any:
    """Return the sigmoid of an argument, with its sign inside of a difference: log(2)*(x - y) for -log(2)*(y - x)."""
    difference = next((factor for factor in sympy.Mul.make_args(argument) if factor.is_Add), None)
    if argument.is_Mul and difference is not None and argument.as_coeff_Mul()[0].is_negative:
        argument = sympy.Mul(-1, argument / difference) * sympy.Add(*[-term for term in difference.args])
    return Logistic(argument)


def _turned(body: Expr) -> Expr:
    """Return an expression with sigmoid(-u) for 1 - sigmoid(u), where that sigmoid is nowhere else."""
    turned: dict[Expr, Expr] = {}
    for value in body.atoms(Logistic):
        other = _sigmoid(-value.args[0])
        is_less = value.args[0].could_extract_minus_sign()
        if body.count(value) == 1:
            turned |= {1 - value: other} | ({value - 1: -other} if is_less else {})
        elif is_less:
            name = sympy.Dummy(positive=True)
            return _turned(sympy.factor(body.xreplace({value: 1 - name})).xreplace({name: other}))
    return body.xreplace(turned) if turned else body


def _is_exponential(body: Expr) -> bool:
    """Tell whether an expression is a power of e, or of a positive number."""
    return isinstance(body, sympy.exp) or (body.is_Pow and bool(body.base.is_Number) and bool(body.base.is_positive))


def _exponent(body: Expr) -> Expr:
    """Return the logarithm of such a power."""
    exponent: Expr = body.exp if isinstance(body, sympy.exp) else body.exp * sympy.log(body.base)
    return exponent


def length(body: Expr) -> int:
    """Return how long an expression is to read; a branch, a sum, or a quotient below a line weighs more than a sign."""
    weight = body.count_ops() + len(str(body)) // 8
    below = [power.base for power in body.atoms(sympy.Pow) if power.exp.is_negative]
    quotients = sum(any(power.exp.is_negative for power in base.atoms(sympy.Pow)) for base in below)
    return int(weight) + 4 * (len(body.atoms(Piecewise)) + quotients)
