"""Tensors put together from others, and tensors of another shape, in a composition."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress

import sympy
from sympy import Expr, Indexed, KroneckerDelta, Symbol

from gradcli.derivation.moves import AffineIndex, AffineWrite, Move
from gradcli.symbolic.write import bands, gathers, overwrites
from gradcli.symbolic.write.conditions import iverson
from gradcli.symbolic.write.scope import Composed, Indices, NoFormulaError, Scope, Template
from gradcli.symbolic.write.standing import by_text, length_of, whole
from gradcli.symbolic.write.sums import solve_index
from gradcli.symbolic.write.tidy import tidy

Contribution = tuple[int, Indices, Expr]
LONGEST = 1200


def value(composition: Composed, place: int, move: Move) -> Template:
    """Return the entry of a moved tensor; NoFormulaError if it has entries of no node."""
    if move.reshaped is not None and move.band is not None:
        return _banded(composition, composition.entry(move.reshaped), move.band, composition.shape(place))
    if move.reshaped is not None:
        return _reshaped(composition, composition.entry(move.reshaped), composition.shape(place))
    if move.overwritten is not None:
        return overwrites.value(composition, place, move.overwritten)
    if move.gathers:
        return gathers.value(composition, place, move.gathers)
    if not move.is_whole:
        raise NoFormulaError
    symbols = composition.scope.fresh(composition.shape(place))
    return Template(symbols, sympy.Add(*[_part(composition, write, symbols) for write in move.writes]))


def _banded(composition: Composed, entry: Template, band: bands.Band, shape: tuple[int, ...]) -> Template:
    """Return a band of a tensor: as a tensor of its own where that need not be differentiated, and has a notation."""
    if not composition.is_differentiated:
        with suppress(NoFormulaError):
            text = bands.text(whole(composition.scope, entry.symbols, tidy(entry.body)), band)
            found = by_text(composition.scope, text, shape)
            composition.scope.bands |= {str(read.base.label.name): band for read in found.body.atoms(Indexed)}
            return found
    return bands.kept(composition.scope, entry, band)


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
    if move.reshaped is not None and move.band is not None:
        back = bands.kept(composition.scope, given, move.band)
        yield move.reshaped, back.symbols, back.body
        return
    if move.reshaped is not None:
        back = _reshaped(composition, given, composition.shape(move.reshaped))
        yield move.reshaped, back.symbols, back.body
        return
    if move.overwritten is not None:
        yield from overwrites.contributions(composition, given, move.overwritten)
    yield from gathers.contributions(composition, given, move.gathers)
    for write in move.writes:
        symbols = composition.scope.fresh(composition.shape(write.source))
        yield write.source, symbols, given.at([_at(affine, symbols) for affine in write.indices])


def _at(affine: AffineIndex, symbols: Indices) -> Expr:
    return sympy.Integer(affine.base) + (0 if affine.axis is None else affine.step * symbols[affine.axis])


def _as_before(scope: Scope, symbols: Indices, body: Expr, shape: tuple[int, ...]) -> Template | None:
    """Return a tensor in the shape that all it is computed from, entry by entry, had before."""
    reads = {read for read in body.atoms(Indexed) if read.free_symbols & {*symbols}}
    known = {read: scope.reshaped.get(str(read.base.label.name)) for read in reads}
    if not reads or any(read.indices != symbols or known[read] is None for read in reads):
        return None
    new = scope.fresh(shape)
    before = {read: origin for read, origin in known.items() if origin is not None and origin[0] == shape}
    found = body.xreplace({read: entry.at(new) for read, (_, entry) in before.items()})
    return None if len(before) < len(reads) or found.free_symbols & {*symbols} else Template(new, found)


def _of_deltas(scope: Scope, symbols: Indices, body: Expr, shape: tuple[int, ...]) -> Template | None:
    """Return a tensor in a new shape whose entries are Kronecker's deltas: those of merged axes are of each of them."""
    old = [scope.sizes[index] if isinstance(index, Symbol) else 1 for index in symbols]
    groups, new = _groups(old, list(shape)), scope.fresh(shape)
    if groups is None or not body.has(KroneckerDelta):
        return None
    factors, found = [*sympy.Mul.make_args(body)], []
    sides = [(tuple(symbols[axis] for axis in own), tuple(new[axis] for axis in others)) for own, others in groups]
    for place, (one, ours) in enumerate(sides):
        for other, theirs in sides[place + 1 :]:
            deltas = [KroneckerDelta(*pair) for pair in zip(one, other, strict=False)]
            if len(one) == len(other) and len(ours) == len(theirs) and all(delta in factors for delta in deltas):
                factors = [factor for factor in factors if factor not in deltas]
                found += [KroneckerDelta(*pair) for pair in zip(ours, theirs, strict=True)]
    rest = sympy.Mul(*factors)
    return None if not found or rest.free_symbols & {*symbols} else Template(new, rest * sympy.Mul(*found))


def _groups(old: list[int], new: list[int]) -> list[tuple[list[int], list[int]]] | None:
    """Return the least runs of axes that are merged or split into each other; None if one has no such end."""
    groups: list[tuple[list[int], list[int]]] = []
    first = last = 0
    while first < len(old) or last < len(new):
        own, others = [first], [last]
        while (
            sizes := [math.prod(s[p] for p in places if p < len(s)) for s, places in ((old, own), (new, others))]
        ) and (sizes[0] != sizes[1]):
            side, limit = (own, len(old)) if sizes[0] < sizes[1] else (others, len(new))
            if side[-1] + 1 >= limit:
                return None
            side.append(side[-1] + 1)
        groups.append(([p for p in own if p < len(old)], [p for p in others if p < len(new)]))
        first, last = own[-1] + 1, others[-1] + 1
    return groups


def _reshaped(composition: Composed, entry: Template, shape: tuple[int, ...]) -> Template:
    """Return a tensor that stands for another in a new shape; a number is the same in any."""
    scope, body = composition.scope, tidy(entry.body)
    if not any(isinstance(index, Symbol) and index in body.free_symbols for index in entry.symbols):
        return Template(scope.fresh(shape), body)
    found = _as_before(scope, entry.symbols, body, shape) or _of_deltas(scope, entry.symbols, body, shape)
    if found is not None:
        return found
    text = f"reshape({whole(scope, entry.symbols, body)}, {shape})"
    if length_of(text) > LONGEST:
        raise NoFormulaError
    made = by_text(scope, text, shape)
    sizes = tuple(scope.sizes[index] if isinstance(index, Symbol) else 1 for index in entry.symbols)
    scope.reshaped[str(made.body.base.label.name)] = sizes, Template(entry.symbols, body)
    return made
