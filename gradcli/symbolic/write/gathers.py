"""Tensors whose entries come from places that follow no line: `take` reads them, `summed_into` adds them up again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import sympy
from sympy import Expr, Symbol

from gradcli.derivation.moves import Gathered
from gradcli.symbolic.write.scope import Composed, Indices, NoFormulaError, Picked, Template
from gradcli.symbolic.write.standing import by_text, whole
from gradcli.symbolic.write.tidy import tidy

LONGEST = 6000


def value(composition: Composed, place: int, gathered: Sequence[Gathered]) -> Template:
    """Return the entry of a tensor that is gathered; NoFormulaError if a source has no notation."""
    shape = composition.shape(place)
    parts = [_taken(composition, one, shape) for one in gathered]
    symbols = composition.scope.fresh(shape)
    return Template(symbols, sympy.Add(*[part.at(symbols) for part in parts]))


def contributions(
    composition: Composed, given: Template, gathered: Sequence[Gathered]
) -> Iterator[tuple[int, Indices, Expr]]:
    """Yield the adjoints of the sources: each entry has the sum of those that were read from its place."""
    for one in gathered:
        shape = composition.shape(one.source)
        back = _returned(composition, given, one, shape)
        yield one.source, back.symbols, back.body


def _taken(composition: Composed, one: Gathered, shape: tuple[int, ...]) -> Template:
    entry = composition.entry(one.source)
    own = _is_all(one, composition.shape(one.source), shape) and _number(composition, entry)
    if isinstance(own, Template):
        return Template(composition.scope.fresh(shape), own.body)
    text = _text(composition, entry)
    if one.targets is None:
        made = _shown(composition, f"take({text}, {_nested(one.sources, shape)})", shape)
        _note(composition, made, entry, one.sources, is_read=True)
        return made
    taken = f"take({text}, {list(one.sources)})"
    return _shown(composition, f"summed_into({taken}, {list(one.targets)}, {shape})", shape)


def _returned(composition: Composed, given: Template, one: Gathered, shape: tuple[int, ...]) -> Template:
    is_all = one.targets is None and sorted(one.sources) == list(range(prod(shape)))
    if is_all and (own := _number(composition, given)) is not None:
        return Template(composition.scope.fresh(shape), own.body)
    text = _text(composition, given)
    if is_all:
        back = [one.sources.index(place) for place in range(len(one.sources))]
        made = _shown(composition, f"take({text}, {_nested(back, shape)})", shape)
        _note(composition, made, given, back, is_read=True)
        return made
    moved = text if one.targets is None else f"take({text}, {list(one.targets)})"
    made = _shown(composition, f"summed_into({moved}, {list(one.sources)}, {shape})", shape)
    if one.targets is None:
        _note(composition, made, given, one.sources, is_read=False)
    return made


def _note(composition: Composed, made: Template, source: Template, places: Sequence[int], *, is_read: bool) -> None:
    """Note what a tensor is a sum of, for what differentiates it."""
    scope = composition.scope
    larger = source if is_read else made
    count = prod(scope.sizes[index] for index in larger.symbols if isinstance(index, Symbol))
    name = f"one_hot(tensor({[*places]}), {count})"
    sizes = tuple(scope.sizes[index] if isinstance(index, Symbol) else 1 for index in source.symbols)
    scope.picked[str(made.body.base.label.name)] = Picked(name, sizes, source, is_read)


def _is_all(one: Gathered, source: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return one.targets is None and prod(source) > 0 and prod(shape) > 0


def _number(composition: Composed, entry: Template) -> Template | None:
    """Return an entry that is the same at all places; None for any other."""
    body = tidy(composition.scope.ordered(entry.body))
    indexed = any(isinstance(index, Symbol) and index in body.free_symbols for index in entry.symbols)
    return None if indexed else Template(entry.symbols, body)


def _text(composition: Composed, entry: Template) -> str:
    body = tidy(composition.scope.ordered(entry.body))
    if body.is_number:
        raise NoFormulaError
    return whole(composition.scope, entry.symbols, body)


def _shown(composition: Composed, text: str, shape: tuple[int, ...]) -> Template:
    if len(text) > LONGEST:
        raise NoFormulaError
    return by_text(composition.scope, text, shape)


def _nested(places: Sequence[int], shape: tuple[int, ...]) -> Any:
    """Return places as lists within lists of a shape."""
    if len(shape) <= 1:
        return list(places) if shape else places[0]
    step = prod(shape[1:])
    return [_nested(places[row * step : (row + 1) * step], shape[1:]) for row in range(shape[0])]
