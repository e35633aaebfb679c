"""Tensors that are another but for a part, in a composition: a choice by their indices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sympy
from sympy import And, Expr, Integer, KroneckerDelta, Mul, Piecewise, Symbol

from gradcli.derivation.moves import AffineIndex, Overwritten
from gradcli.symbolic.write.conditions import iverson
from gradcli.symbolic.write.scope import Composed, Indices, Scope, Template
from gradcli.symbolic.write.sums import solve_index, total


@dataclass(frozen=True, slots=True)
class _Solved:
    """For which indices of a part some places are reached, and where they are."""

    known: dict[Symbol, Expr]
    test: Any


def value(composition: Composed, place: int, over: Overwritten) -> Template:
    """Return the entry of a tensor of which a part was replaced."""
    scope = composition.scope
    symbols, own = scope.fresh(composition.shape(place)), scope.fresh(over.shape)
    found = _solved(scope, symbols, over.part, own)
    inside = composition.entry(over.written).at(_at(over.reads, own)).xreplace(found.known)
    return Template(symbols, _choice(found.test, inside, composition.entry(over.base).at(symbols)))


def contributions(composition: Composed, given: Template, over: Overwritten) -> Iterator[tuple[int, Indices, Expr]]:
    """Yield the adjoints of the tensor, which is 0 in the part, and of what was written there."""
    scope = composition.scope
    symbols, own = scope.fresh(composition.shape(over.base)), scope.fresh(over.shape)
    yield over.base, symbols, _choice(_solved(scope, symbols, over.part, own).test, Integer(0), given.at(symbols))
    part = given.at(_at(over.part, own))
    symbols = scope.fresh(composition.shape(over.written))
    found = _solved(scope, symbols, over.reads, own)
    summed = [index for index in own if isinstance(index, Symbol) and index not in found.known]
    yield over.written, symbols, iverson([found.test]) * total(part, summed, scope.sizes).xreplace(found.known)


def _choice(test: Any, inside: Expr, outside: Expr) -> Expr:
    """Return one expression where a test of indices holds, else the other: of single entries by Kronecker's deltas."""
    if test == sympy.true:
        return inside
    chosen = iverson([test])
    if all(isinstance(factor, KroneckerDelta) for factor in Mul.make_args(chosen)):
        return chosen * inside + (1 - chosen) * outside
    return Piecewise((inside, test), (outside, True))


def _solved(scope: Scope, symbols: Indices, indices: Sequence[AffineIndex], own: Indices) -> _Solved:
    """Return the indices of a part at which it is read, or written, at some places."""
    known: dict[Symbol, Expr] = {}
    tests: list[Any] = []
    for symbol, affine in zip(symbols, indices, strict=True):
        index = None if affine.axis is None else own[affine.axis]
        solved, test = solve_index(symbol, affine.base, affine.step, index, known, scope.sizes)
        known |= solved
        tests.append(test)
    return _Solved(known, And(*tests))


def _at(indices: Sequence[AffineIndex], own: Indices) -> list[Expr]:
    return [Integer(one.base) + (0 if one.axis is None else one.step * own[one.axis]) for one in indices]
