"""Choices inside of sums: what is a factor of every branch stands beside the choice, so that products of matrices fit.

`sum(where(c[i], X[i, p], 0))` over i is `X.T @ where(c, 1, 0)`: the entries of X are not what is chosen by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy
from sympy import Expr, Mul, Piecewise

from gradcli.symbolic.write.conditions import on_indices

ABOVE, BELOW = (sympy.Gt, sympy.Ge), (sympy.Lt, sympy.Le)


def apart(factors: Sequence[Any]) -> list[Any]:
    """Return the factors of a product with what is common to all branches of a choice as factors of their own.

    Factors along the axes of a choice's condition alone go into it, where one of its branches is 0.
    """
    found: list[Any] = []
    for factor in factors:
        found += _apart(factor) if isinstance(factor, Piecewise) and not on_indices(factor.args[0].cond) else [factor]
    return _together(found)


def _apart(choice: Piecewise) -> list[Any]:
    values = [sympy.factor_terms(branch.expr) if branch.expr.is_Add else branch.expr for branch in choice.args]
    several = [Mul.make_args(value) for value in values if value != 0]
    held = _held(choice)
    common = [
        factor
        for factor in (several[0] if several else ())
        if not _indices(factor) <= held and all(factor in others for others in several[1:])
    ]
    if not common:
        return [choice]
    divisor = Mul(*common)
    kept = zip(values, choice.args, strict=True)
    return [*common, Piecewise(*((value / divisor, branch.cond) for value, branch in kept))]


def _together(factors: list[Any]) -> list[Any]:
    """Return factors with those in the one choice that has a branch of 0 which are along its condition's axes."""
    choices = [factor for factor in factors if isinstance(factor, Piecewise) and not on_indices(factor.args[0].cond)]
    if len(choices) != 1 or not any(branch.expr == 0 for branch in choices[0].args):
        return factors
    (choice,) = choices
    held = _held(choice)
    inside = [factor for factor in factors if factor is not choice and _indices(factor) and _indices(factor) <= held]
    inside = [factor for factor in inside if not factor.has(sympy.KroneckerDelta)]
    if not inside:
        return factors
    whole = Piecewise(*((branch.expr * Mul(*inside), branch.cond) for branch in choice.args))
    return [*(factor for factor in factors if factor is not choice and factor not in inside), whole]


def _held(choice: Piecewise) -> set[Expr]:
    return {index for branch in choice.args for index in _indices(branch.cond)}


def _indices(body: Any) -> set[Expr]:
    return {symbol for symbol in body.free_symbols if symbol.is_integer}


def is_rectified(choice: Piecewise) -> bool:
    """Tell whether a choice is a value where it is positive, and 0 elsewhere."""
    (value, test), *rest = choice.args
    if [branch.expr for branch in rest] != [0] or not isinstance(test, ABOVE + BELOW):
        return False
    return bool(value == (test.lhs - test.rhs if isinstance(test, ABOVE) else test.rhs - test.lhs))
