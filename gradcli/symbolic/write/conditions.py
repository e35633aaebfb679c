"""Conditions on indices as numbers: 1 where they hold, 0 elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sympy
from sympy import And, Expr, Integer, KroneckerDelta, Mul, Piecewise


def iverson(conditions: Iterable[Any]) -> Expr:
    """Return 1 where all conditions hold, else 0."""
    factors = []
    for condition in And.make_args(And(*conditions)):
        if isinstance(condition, sympy.Eq) and not condition.atoms(sympy.Mod):
            factors.append(KroneckerDelta(*condition.args))
        elif condition != sympy.true:
            factors.append(Piecewise((Integer(1), condition), (Integer(0), True)))
    return Mul(*factors)


def is_iverson(factor: Any) -> bool:
    """Tell whether an expression is 1 where a condition on indices holds and 0 elsewhere."""
    if not isinstance(factor, Piecewise) or [branch.expr for branch in factor.args] != [1, 0]:
        return False
    return on_indices(factor.args[0].cond)


def on_indices(condition: Any) -> bool:
    """Tell whether a condition is one on indices only, and not on values."""
    return bool(condition.free_symbols) and all(symbol.is_integer for symbol in condition.free_symbols)
