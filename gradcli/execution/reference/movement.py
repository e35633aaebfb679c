"""Ops that only move data: where each entry of a result comes from is seen by moving numbers in place of the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest
from gradcli.execution.forward import tree
from gradcli.execution.reference import layout
from gradcli.execution.reference.layout import Layout
from gradcli.execution.reference.nodes import ComplexNode, Edge, Node
from gradcli.execution.reference.strides import positions_of, rearranged

# Data that is moved is numbered from here on: no value that an op writes by itself (a pad value, say) is as large.
FIRST_NUMBER = 1 << 40


def viewing_edges(results: Sequence[Tensor], sources: Sequence[Node | ComplexNode]) -> list[Edge] | None:
    """Return the edges of results that share the memory of the only source; None if entries have to be traced."""
    if len(sources) != 1 or not isinstance(source := sources[0], Node):
        return None
    shown = rearranged(results[0], source.tensor) if len(results) == 1 else None
    if shown is not None:
        return [_edge(source, shown, {"input": shown.views["input"].apply(source.tensor)})]
    positions = positions_of(results, source.tensor)
    if positions is None:
        return None
    return [_reading_edge(source, tuple(one.shape), own) for one, own in zip(results, positions, strict=True)]


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
        if isinstance(leaf, Node | ComplexNode):
            return numbers.get(leaf, leaf.tensor)
        return 0.0 if isinstance(leaf, complex) else leaf  # the numbers are real, and this is not an entry of them

    return tree.map(number, arguments)


def moved_edges(result: Tensor, moved: Tensor, sources: Sequence[Node | ComplexNode], part: str) -> tuple[Edge, ...]:
    """Return the edges of one part of a result: to the same part of each source of which it has entries."""
    numbers = moved.reshape(-1).to(torch.int64)
    edges = []
    for source, start in _starts(sources):
        node = getattr(source, part) if isinstance(source, ComplexNode) else source if part == "real" else None
        if node is not None and node.differentiable:
            edges.append(_traced_edge(node, tuple(result.shape), numbers - start))
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


def _traced_edge(node: Node, shape: tuple[int, ...], entries: Tensor) -> Edge:
    """Return the edge to one source, of whose `entries` a result is made; those out of range come from elsewhere."""
    count = node.tensor.numel()
    if _all_inside(entries, count):
        return _reading_edge(node, shape, entries)
    (targets,) = torch.nonzero((entries >= 0) & (entries < count), as_tuple=True)
    positions = {"targets": targets, "sources": entries[targets]}
    return _flat_edge(node, shape, "delta(i, targets[j]) * input[sources[j]]", "", "i", positions)


def _reading_edge(node: Node, shape: tuple[int, ...], entries: Tensor) -> Edge:
    """Return the edge to a source of whose `entries` all of a result is made."""
    if entries.numel() == node.tensor.numel() and _in_order(entries):
        return _flat_edge(node, shape, "input", "j", "j", {})
    return _flat_edge(node, shape, "input[sources[j]]", "", "j", {"sources": entries})


def _flat_edge(  # noqa: PLR0917 (what a formula needs)
    node: Node, shape: tuple[int, ...], formula: str, axes: str, out: str, positions: dict[str, Tensor]
) -> Edge:
    shown = layout.flat(formula, {"input": tuple(node.tensor.shape)}, shape, out)
    return _edge(node, replace(shown, axes={"input": axes}), {"input": node.tensor.reshape(-1), **positions})


def _all_inside(entries: Tensor, count: int) -> bool:
    if not entries.numel():
        return True
    first, last = torch.aminmax(entries)
    return int(first) >= 0 and int(last) < count


def _in_order(entries: Tensor) -> bool:
    """Return whether entries are 0, 1, 2 …; most others are told by their ends, which costs nothing."""
    count = entries.numel()
    ends = count == 0 or (int(entries[0]) == 0 and int(entries[-1]) == count - 1)
    return ends and torch.equal(entries, torch.arange(count))


def _edge(node: Node, shown: Layout, operands: dict[str, Tensor]) -> Edge:
    named = tuple((name, shown.axes.get(name, "")) for name in operands)
    request = DerivativeRequest(shown.formula, named, (), shown.out, ("input",))
    return Edge(node, request, "input", shown, operands)
