"""Products of all entries of a tensor, or along an axis, in a composition.

Each entry's factor is the product of the others, which `prod_of_others` is. It is prod(x)/x where no entry is zero.
"""

from __future__ import annotations

from collections.abc import Sequence

from sympy import Expr, Integer, Symbol

from gradcli.derivation.formulas import MatrixFunction
from gradcli.symbolic.write.scope import Composed, Indices, NoFormulaError, Template
from gradcli.symbolic.write.standing import by_text, whole
from gradcli.symbolic.write.sums import total
from gradcli.symbolic.write.tidy import tidy

LONGEST = 120


def value(composition: Composed, place: int, function: MatrixFunction) -> Template:
    """Return the entry of a product."""
    shape, axis = composition.shape(function.operands[0]), function.axis
    left = () if axis is None else (*shape[:axis], *shape[axis + 1 :])
    made = by_text(composition.scope, _text(composition, "prod", function), left)
    is_kept = len(composition.shape(place)) > len(left)
    return Template(_with_kept(made.symbols, axis), made.body) if is_kept else made


def contribution(composition: Composed, place: int, function: MatrixFunction) -> tuple[int, Indices, Expr]:
    """Return what the adjoint of a product contributes to that of its factors."""
    symbols = composition.scope.fresh(composition.shape(function.operands[0]))
    given = composition.adjoints[place].at(_of_result(composition, place, function, symbols))
    return function.operands[0], symbols, given * _others(composition, function).at(symbols)


def tangent(composition: Composed, place: int, function: MatrixFunction, moved: Template) -> Template:
    """Return the tangent of a product: the sum of those of its factors, each times the others."""
    symbols = composition.scope.fresh(composition.shape(function.operands[0]))
    result = _of_result(composition, place, function, symbols)
    summed = [symbol for symbol in symbols if isinstance(symbol, Symbol) and symbol not in result]
    body = _others(composition, function).at(symbols) * moved.at(symbols)
    return Template(result, total(body, summed, composition.scope.sizes))


def _others(composition: Composed, function: MatrixFunction) -> Template:
    shape = composition.shape(function.operands[0])
    return by_text(composition.scope, _text(composition, "prod_of_others", function), shape)


def _of_result(composition: Composed, place: int, function: MatrixFunction, symbols: Indices) -> Indices:
    """Return a product's indices, of those of its factors."""
    if function.axis is None:
        return ()
    left = (*symbols[: function.axis], *symbols[function.axis + 1 :])
    is_kept = len(composition.shape(place)) > len(left)
    return _with_kept(left, function.axis) if is_kept else left


def _with_kept(symbols: Sequence[Expr], axis: int | None) -> Indices:
    assert axis is not None  # noqa: S101 (only an axis is kept)
    return (*symbols[:axis], Integer(0), *symbols[axis:])


def _text(composition: Composed, name: str, function: MatrixFunction) -> str:
    entry = composition.entry(function.operands[0])
    inner = whole(composition.scope, entry.symbols, tidy(composition.scope.ordered(entry.body)))
    if len(inner) > LONGEST:
        raise NoFormulaError
    return f"{name}({inner})" if function.axis is None else f"{name}({inner}, dim={function.axis})"
