"""Tensors put together from others, and tensors of another shape, in a composition."""

from __future__ import annotations

from collections.abc import Iterator

import sympy
from sympy import Expr, Symbol

from gradcli.derivation.formulas import AffineIndex, AffineWrite, Move
from gradcli.symbolic.write import gathers
from gradcli.symbolic.write.conditions import iverson
from gradcli.symbolic.write.scope import Composed, Indices, NoFormulaError, Template
from gradcli.symbolic.write.standing import by_text, length_of, whole
from gradcli.symbolic.write.sums import solve_index
from gradcli.symbolic.write.tidy import tidy

Contribution = tuple[int, Indices, Expr]
LONGEST = 1200


def value(composition: Composed, place: int, move: Move) -> Template:
    """Return the entry of a moved tensor; NoFormulaError if it has entries of no node."""
    if move.reshaped is not None:
        return _reshaped(composition, composition.entry(move.reshaped), composition.shape(place))
    if move.gathers:
        return gathers.value(composition, place, move.gathers)
    if not move.is_whole:
        raise NoFormulaError
    symbols = composition.scope.fresh(composition.shape(place))
    return Template(symbols, sympy.Add(*[_part(composition, write, symbols) for write in move.writes]))


def _part(composition: Composed, write: AffineWrite, symbols: Indices) -> Expr:
    """Return what one source contributes: its entry where the index is one of its places, else 0."""
    own = composition.scope.fresh(composition.shape(write.source))
    known: dict[Symbol, Expr] = {}
    conditions = []
    for symbol, affine in zip(symbols, write.indices, strict=True):
        index = None if affine.axis is None else own[affine.axis]
        solved, condition = solve_index(symbol, affine.base, affine.step, index, known, composition.scope.sizes)
        known |= solved
        conditions.append(condition)
    if any(isinstance(index, Symbol) and index not in known for index in own):
        raise NoFormulaError
    return iverson(conditions) * composition.entry(write.source).at(own).xreplace(known)


def contributions(composition: Composed, place: int, move: Move) -> Iterator[Contribution]:
    """Yield the adjoints of the sources: the moved tensor's, read where their entries are."""
    given = composition.adjoints[place]
    if move.reshaped is not None:
        back = _reshaped(composition, given, composition.shape(move.reshaped))
        yield move.reshaped, back.symbols, back.body
        return
    yield from gathers.contributions(composition, given, move.gathers)
    for write in move.writes:
        symbols = composition.scope.fresh(composition.shape(write.source))
        yield write.source, symbols, given.at([_at(affine, symbols) for affine in write.indices])


def _at(affine: AffineIndex, symbols: Indices) -> Expr:
    return sympy.Integer(affine.base) + (0 if affine.axis is None else affine.step * symbols[affine.axis])


def _reshaped(composition: Composed, entry: Template, shape: tuple[int, ...]) -> Template:
    """Return a tensor that stands for another in a new shape; a number is the same in any."""
    scope, body = composition.scope, tidy(entry.body)
    if not any(isinstance(index, Symbol) and index in body.free_symbols for index in entry.symbols):
        return Template(scope.fresh(shape), body)
    text = f"reshape({whole(scope, entry.symbols, body)}, {shape})"
    if length_of(text) > LONGEST:
        raise NoFormulaError
    return by_text(scope, text, shape)
