"""Ops that only move data: where each entry of a result comes from is seen by moving numbers in place of the data."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest
from gradcli.execution.forward import tree
from gradcli.execution.forward.rehearsed import kind_of_number
from gradcli.execution.process import is_watched
from gradcli.execution.reference import layout
from gradcli.execution.reference.layout import Layout
from gradcli.execution.reference.nodes import NODES, ComplexNode, Edge, Node
from gradcli.execution.reference.strides import Part, parts_of, rearranged

# Data that is moved is numbered from here on: no value that an op writes by itself (a pad value, say) is as large.
FIRST_NUMBER = 1 << 40
# Definitions in a loop move the same entries again and again. What few of them do is remembered, of so many calls.
SMALL, MOST = 1 << 12, 256

# Entries that are compared at once fit a processor's cache.
BLOCK = 1 << 14

_known: dict[Hashable, Any] = {}


@dataclass(frozen=True, slots=True)
class Origin:
    """Which entries of one source a result is made of, and where they are in it."""

    request: DerivativeRequest
    shown: Layout
    positions: Mapping[str, Tensor]

    def edge(self, source: Node) -> Edge:
        """Return the edge to the source."""
        operands = {"input": source.tensor.reshape(-1), **self.positions}
        return Edge(source, self.request, "input", self.shown, operands)


def viewing_edges(results: Sequence[Tensor], sources: Sequence[Node | ComplexNode]) -> list[Edge] | None:
    """Return the edges of results that share the memory of the only source; None if entries have to be traced."""
    if len(sources) != 1 or not isinstance(source := sources[0], Node):
        return None
    shown = rearranged(results[0], source.tensor) if len(results) == 1 else None
    if shown is not None:
        operand = shown.views["input"].apply(source.tensor)
        return [Edge(source, _request(shown, ("input",)), "input", shown, {"input": operand})]
    parts = parts_of(results, source.tensor)
    return None if parts is None else [_known_origin(part).edge(source) for part in parts]


def _known_origin(part: Part) -> Origin:
    is_kept = math.prod(part.shape) <= SMALL and not is_watched()
    return _remembered(part) if is_kept else _origin_of_part(part)


def _origin_of_part(part: Part) -> Origin:
    if part.is_whole:
        return _flat(part.whole, part.shape, "input", "j", "j", {})
    return _reading(part.whole, part.shape, part.positions())


_remembered = lru_cache(maxsize=MOST)(_origin_of_part)


def origins(function: Callable[..., Any], positional: Any, keywords: Any, sources: Sequence[Node | ComplexNode]) -> Any:
    """Return the origins of each result of an op that moves data, one a source; None where no gradient reaches it."""
    key = _outline(function, (positional, keywords), sources)
    if key is not None and key in _known:
        return _known[key]
    numbers = numbered(sources)
    positional, keywords = numbers_for([positional, keywords], numbers)
    found = tree.map(partial(_origins, numbers), function(*positional, **keywords))
    if key is not None:
        if len(_known) >= MOST:
            _known.clear()
        _known[key] = found
    return found


def _outline(function: Callable[..., Any], arguments: Any, sources: Sequence[Node | ComplexNode]) -> Hashable | None:
    """Return what decides where entries go; None if it is much, and the call is not worth remembering."""
    if sum(source.tensor.numel() for source in sources) > SMALL or is_watched():
        return None
    places = {id(source): place for place, source in enumerate(sources)}

    def kind(leaf: Any) -> Hashable | None:
        tensor = leaf.tensor if isinstance(leaf, NODES) else leaf
        if id(leaf) in places:
            return places[id(leaf)], leaf.differentiable, tensor.shape
        if not isinstance(tensor, Tensor):
            return kind_of_number(tensor)
        return (tensor.dtype, tensor.shape, *tensor.reshape(-1).tolist()) if tensor.numel() <= SMALL else None

    known = tree.outline(arguments, kind)
    return None if known is None else (function, known)


def numbered(sources: Sequence[Node | ComplexNode]) -> dict[Node | ComplexNode, Tensor]:
    """Return a tensor of numbers for each source, no number twice."""
    numbers: dict[Node | ComplexNode, Tensor] = {}
    for source, start in _starts(sources):
        count = source.tensor.numel()
        numbers[source] = torch.arange(start, start + count, dtype=torch.float64).reshape(source.tensor.shape)
    return numbers


def numbers_for(arguments: Any, numbers: Mapping[Node | ComplexNode, Tensor]) -> Any:
    """Return nested arguments with the numbers in place of the sources."""

    def number(leaf: Any) -> Any:
        if isinstance(leaf, NODES):
            return numbers.get(leaf, leaf.tensor)
        return 0.0 if isinstance(leaf, complex) else leaf  # the numbers are real, and this is not an entry of them

    return tree.map(number, arguments)


def _origins(known: Mapping[Node | ComplexNode, Tensor], moved: Tensor) -> list[Origin | None]:
    """Return the origin of a result, of which `moved` are the numbers, in each source that a gradient reaches."""
    if len(known) == 1:
        parts = parts_of([moved], *known.values())
        if parts is not None:
            return [_origin_of_part(*parts)]
    numbers, shape = moved.reshape(-1).to(torch.int64), tuple(moved.shape)
    return [
        _traced(tuple(source.tensor.shape), shape, numbers - start) if source.differentiable else None
        for source, start in _starts([*known])
    ]


def moved_edges(found: Sequence[Origin | None], sources: Sequence[Node | ComplexNode], part: str) -> tuple[Edge, ...]:
    """Return the edges of one part of a result: to the same part of each source of which it has entries."""
    edges = []
    for source, origin in zip(sources, found, strict=True):
        node = getattr(source, part) if isinstance(source, ComplexNode) else source if part == "real" else None
        if node is not None and node.differentiable and origin is not None:
            edges.append(origin.edge(node))
    return tuple(edges)


def holds_numbers(node: Node | ComplexNode) -> bool:
    """Return whether a node's tensor is one of numbers, and not of truth values or indices."""
    return node.tensor.is_floating_point() or node.tensor.is_complex()


def _starts(sources: Sequence[Node | ComplexNode]) -> Iterator[tuple[Node | ComplexNode, int]]:
    """Yield every source with the number of its first entry."""
    start = FIRST_NUMBER
    for source in sources:
        yield source, start
        start += source.tensor.numel()


def _traced(whole: tuple[int, ...], shape: tuple[int, ...], entries: Tensor) -> Origin:
    """Return the origin in one source, of whose `entries` a result is made; those out of range come from elsewhere."""
    count = math.prod(whole)
    if _all_inside(entries, count):
        return _reading(whole, shape, entries)
    (targets,) = torch.nonzero((entries >= 0) & (entries < count), as_tuple=True)
    positions = {"targets": targets, "sources": entries[targets]}
    return _flat(whole, shape, "delta(i, targets[j]) * input[sources[j]]", "", "i", positions)


def _reading(whole: tuple[int, ...], shape: tuple[int, ...], entries: Tensor) -> Origin:
    """Return the origin in a source of whose `entries` all of a result is made."""
    if entries.numel() == math.prod(whole) and _in_order(entries):
        return _flat(whole, shape, "input", "j", "j", {})
    return _flat(whole, shape, "input[sources[j]]", "", "j", {"sources": entries})


def _flat(  # noqa: PLR0917 (what a formula needs)
    whole: tuple[int, ...],
    shape: tuple[int, ...],
    formula: str,
    axes: str,
    out: str,
    positions: dict[str, Tensor],
) -> Origin:
    shown = replace(layout.flat(formula, {"input": whole}, shape, out), axes={"input": axes})
    return Origin(_request(shown, ("input", *positions)), shown, positions)


def _all_inside(entries: Tensor, count: int) -> bool:
    if not entries.numel():
        return True
    first, last = torch.aminmax(entries)
    return int(first) >= 0 and int(last) < count


def _in_order(entries: Tensor) -> bool:
    """Return whether entries are 0, 1, 2 …; most others are told by their ends, which costs nothing."""
    count = entries.numel()
    ends = count == 0 or (int(entries[0]) == 0 and int(entries[-1]) == count - 1)
    places = range(0, count, BLOCK) if ends else ()
    return ends and all(
        torch.equal(entries[place : place + BLOCK], torch.arange(place, min(place + BLOCK, count))) for place in places
    )


def _request(shown: Layout, operands: Sequence[str]) -> DerivativeRequest:
    named = tuple((name, shown.axes.get(name, "")) for name in operands)
    return DerivativeRequest(shown.formula, named, (), shown.out, ("input",))
