"""Entries that a program reads by number: one formula for each, rather than a sum of terms of which most are 0.

The gradient of x[0]*x[1] is x[1] at 0 and x[0] at 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import sympy
from sympy import And, Eq, Expr, KroneckerDelta, Or, Piecewise, Symbol

from gradcli.symbolic.write.known_functions import length
from gradcli.symbolic.write.sums import bound_indices
from gradcli.symbolic.write.tidy import tidy

# Formulas that one entry or another has; a test is read like this many operations.
MOST, TEST = 16, 4
Places = dict[Symbol, list[int]]


def placed(body: Expr, sizes: Mapping[Symbol, int]) -> Expr:
    """Return an expression as a choice by the places of its entries, if that is shorter."""
    places = _places(body, sizes)
    if not places or sympy.prod([len(several) + 1 for several in places.values()]) > MOST:
        return body
    whole = all(len(several) == sizes[index] for index, several in places.items())
    found = _each(body, places) if whole else _nested(body, [*places.items()], sizes)
    return found if _cost(found) < _cost(body) else body


def _places(body: Expr, sizes: Mapping[Symbol, int]) -> Places:
    """Return which places along each index are told from the others: all of them where it is by a remainder."""
    found: Places = {}
    free = sorted((body.free_symbols & sizes.keys()) - bound_indices(body), key=str)
    for index in free:
        deltas = [delta for delta in body.atoms(KroneckerDelta) if index in delta.free_symbols]
        told = {int(side) for delta in deltas for side in delta.args if index in delta.args and side.is_Integer}
        is_each = any(len(delta.free_symbols) == 1 and index not in delta.args for delta in deltas)
        if is_each or any(index in one.free_symbols for one in body.atoms(sympy.Mod)):
            found[index] = [*range(sizes[index])]
        elif told:
            found[index] = sorted(told)
    return found


def _each(body: Expr, places: Places) -> Expr:
    """Return a choice between the entries, what most of them are last."""
    cells: dict[Expr, list[Any]] = {}
    for at in product(*places.values()):
        value = tidy(_at(body, dict(zip(places, at, strict=True))))
        tests = [Eq(index, place, evaluate=False) for index, place in zip(places, at, strict=True)]
        cells.setdefault(value, []).append(And(*tests, evaluate=False) if len(tests) > 1 else tests[0])
    *rows, (last, _) = sorted(cells.items(), key=lambda cell: len(cell[1]))
    return Piecewise(*((value, _any(tests)) for value, tests in rows), (last, True), evaluate=False) if rows else last


def _any(tests: Sequence[Any]) -> Any:
    return Or(*tests, evaluate=False) if len(tests) > 1 else tests[0]


def _nested(body: Expr, places: Sequence[tuple[Symbol, list[int]]], sizes: Mapping[Symbol, int]) -> Expr:
    """Return a choice by one index between choices by the others."""
    if not places:
        return tidy(body)
    (index, several), *others = places
    rows = [(_nested(_at(body, {index: place}), others, sizes), Eq(index, place)) for place in several]
    if len(several) == sizes[index]:
        rows[-1] = (rows[-1][0], sympy.true)
    else:
        deltas = {delta: sympy.S.Zero for delta in body.atoms(KroneckerDelta) if index in delta.args}
        rest = {delta: zero for delta, zero in deltas.items() if any(side.is_Integer for side in delta.args)}
        rows.append((_nested(body.xreplace(rest), others, sizes), sympy.true))
    return Piecewise(*rows, evaluate=False)


def _at(body: Expr, places: Mapping[Symbol, int]) -> Expr:
    found: Expr = body.xreplace({index: sympy.Integer(place) for index, place in places.items()})
    return found


def _cost(body: Expr) -> int:
    """Return how long an expression is to read, with its tests of indices."""
    rows = sum(len(piece.args) - 1 for piece in body.atoms(Piecewise))
    return length(body) + TEST * (rows + body.count(KroneckerDelta) - len(body.atoms(Piecewise)))
