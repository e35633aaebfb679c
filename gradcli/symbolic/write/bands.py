"""Matrices of which some diagonals are kept, and the others are 0: what `triu` and `tril` say."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Expr, Indexed, Symbol

from gradcli.symbolic.write.conditions import is_iverson, iverson
from gradcli.symbolic.write.scope import Indices, Scope, Template

Band = tuple[int | None, int | None]
"""The first and the last diagonal that is kept; None for that of a corner."""


def kept(scope: Scope, whole: Template, band: Band) -> Template:
    """Return a tensor with the diagonals of a band of its matrices, and 0 elsewhere."""
    terms = [_kept(scope, whole.symbols, term, band) for term in sympy.Add.make_args(sympy.expand_mul(whole.body))]
    return Template(whole.symbols, sympy.Add(*terms))


def _kept(scope: Scope, symbols: Indices, term: Expr, band: Band) -> Expr:
    """Return a term where the band is; it is 0 elsewhere already if it is a multiple of a matrix that is."""
    factors = sympy.Mul.make_args(term)
    known = [one for one in factors if isinstance(one, Indexed) and one.indices == symbols]
    if any(scope.bands.get(str(one.base.label.name)) == band for one in known):
        return term
    sides = _sides(symbols, band)
    return term if {*sympy.Mul.make_args(sides)} <= {*factors} else term * sides


def _sides(symbols: Indices, band: Band) -> Expr:
    """Return 1 inside of a band, and 0 elsewhere."""
    low, high = band
    *_, row, column = symbols
    conditions = [] if low is None else [sympy.Le(row + low, column) if low >= 0 else sympy.Le(row, column - low)]
    conditions += [] if high is None else [sympy.Le(column, row + high) if high >= 0 else sympy.Le(column - high, row)]
    return iverson(conditions)


def text(whole: str, band: Band) -> str:
    """Return the band of a tensor as PyTorch's text."""
    for function, diagonal in (("tril", band[1]), ("triu", band[0])):
        whole = whole if diagonal is None else f"{function}({whole}{f', {diagonal}' if diagonal else ''})"
    return whole


def triangle(factor: Any) -> tuple[Symbol, Symbol, int] | None:
    """Return what a factor that is 1 where j - i >= k and 0 elsewhere is: i, j and k; None of any other factor.

    Where j - i <= k it is that of j, i and -k.
    """
    if not is_iverson(factor):
        return None
    test = factor.args[0].cond
    if not isinstance(test, sympy.Ge | sympy.Gt | sympy.Le | sympy.Lt):
        return None
    above, below = (test.lhs, test.rhs) if isinstance(test, sympy.Ge | sympy.Gt) else (test.rhs, test.lhs)
    gap = sympy.expand(above - below) - int(isinstance(test, sympy.Gt | sympy.Lt))
    signs = {gap.coeff(symbol): symbol for symbol in gap.free_symbols}
    if signs.keys() != {1, -1} or len(gap.free_symbols) != len(signs):
        return None
    rest = gap - signs[1] + signs[-1]
    return (signs[-1], signs[1], -int(rest)) if rest.is_Integer else None
