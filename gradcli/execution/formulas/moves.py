"""How a moved tensor is made of its sources' entries, where it is no reading of one of them: reshaped, put together."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from gradcli.derivation.formulas import AffineWrite, Move
from gradcli.execution.formulas.affine import decode
from gradcli.execution.reference.nodes import Edge, Node


def moved(node: Node, numbers: Mapping[Node, int]) -> Move | None:
    """Return how a node's tensor is made; None if that has no notation here."""
    if len(node.edges) == 1 and _keeps_order(node.edges[0], node):
        return Move(numbers[node.edges[0].source])
    writes = [_write(edge, node, numbers) for edge in node.edges]
    known = tuple(write for write in writes if write is not None)
    if len(known) < len(writes) or not known:
        return None
    entries = sum(edge.source.tensor.numel() for edge in node.edges)
    return Move(None, known, entries == node.tensor.numel())


def _keeps_order(edge: Edge, node: Node) -> bool:
    """Tell whether the entries of a source are all there are, in their order."""
    if edge.source.tensor.numel() != node.tensor.numel() or {"sources", "targets"} & set(edge.operands):
        return False
    flat = torch.arange(node.tensor.numel())
    shown = edge.layout.views["input"].apply(flat.reshape(edge.source.tensor.shape))
    return bool((edge.layout.result.undo(shown).reshape(-1) == flat).all())


def _write(edge: Edge, node: Node, numbers: Mapping[Node, int]) -> AffineWrite | None:
    """Return where a source's entries are in a tensor; None if one of them is nowhere, or twice, or out of line."""
    count = edge.source.tensor.numel()
    sources, targets = edge.operands.get("sources"), edge.operands.get("targets")
    if sources is None:
        return None
    places = torch.arange(node.tensor.numel()) if targets is None else targets
    if sources.numel() != count or sources.unique().numel() != count:
        return None
    positions = torch.zeros(count, dtype=torch.int64)
    positions[sources] = places
    indices = decode(positions, tuple(edge.source.tensor.shape), tuple(node.tensor.shape))
    return None if indices is None else AffineWrite(numbers[edge.source], indices)
