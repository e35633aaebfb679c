"""How a moved tensor is made of its sources' entries, where it is no reading of one of them: reshaped, put together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from gradcli.derivation.moves import AffineIndex, AffineWrite, Gathered, Move
from gradcli.derivation.tensor_program import POSITIONS
from gradcli.execution.formulas.affine import decode
from gradcli.execution.formulas.overwrites import overwritten
from gradcli.execution.reference.layout import AxisView
from gradcli.execution.reference.nodes import Edge, Node

# What is gathered is written out, place by place.
MOST_PLACES = 600
MATRIX = 2


def moved(node: Node, numbers: Mapping[Node, int]) -> Move | None:
    """Return how a node's tensor is made; None if that has no notation here."""
    if len(node.edges) == 1 and _keeps_order(node.edges[0], node):
        return Move(numbers[node.edges[0].source])
    edges = moving(node)
    over = overwritten(node, numbers)
    if over is not None:
        return Move(None, overwritten=over)
    band = _band(edges[0], node) if len(edges) == 1 else None
    if band is not None:
        return Move(numbers[edges[0].source], band=band)
    writes = [_write(edge, node, numbers) for edge in edges]
    known = tuple(write for write in writes if write is not None)
    if len(known) < len(writes) or not known:
        return _gathered(node, edges, numbers)
    return Move(None, known, _is_whole(node, edges))


def _is_whole(node: Node, edges: Sequence[Edge]) -> bool:
    """Tell whether a tensor has no entries but those of its sources, and zeros."""
    filled = torch.zeros(node.tensor.numel(), dtype=torch.bool)
    for edge in edges:
        filled[edge.operands["targets"].reshape(-1) if "targets" in edge.operands else slice(None)] = True
    return not bool(node.tensor.detach().reshape(-1)[~filled].any())


def _band(edge: Edge, node: Node) -> tuple[int | None, int | None] | None:
    """Return the first and last diagonals of matrices that stay in place, all others being 0; None of other moves.

    Each is None where it is that of a corner.
    """
    shape, targets = tuple(node.tensor.shape), edge.operands.get("targets")
    if len(shape) < MATRIX or tuple(edge.source.tensor.shape) != shape or targets is None or not targets.numel():
        return None
    if not torch.equal(positions(edge), targets.reshape(-1)):
        return None
    kept = torch.zeros(shape, dtype=torch.bool)
    kept.view(-1)[targets.reshape(-1)] = True
    diagonals = torch.arange(shape[-1]) - torch.arange(shape[-2])[:, None]
    low, high = int(diagonals.expand(shape)[kept].min()), int(diagonals.expand(shape)[kept].max())
    if bool((kept != ((diagonals >= low) & (diagonals <= high))).any()) or bool(node.tensor.detach()[~kept].any()):
        return None
    return low if low > 1 - shape[-2] else None, high if high < shape[-1] - 1 else None


def moving(node: Node) -> list[Edge]:
    """Return the edges of a moved node by which entries come: an operand may be there for its shape alone."""
    return [edge for edge in node.edges if "sources" not in edge.operands or edge.operands["sources"].numel()]


def positions(edge: Edge) -> Tensor:
    """Return the place in the source of each entry that an edge moves."""
    if "sources" in edge.operands:
        return edge.operands["sources"].reshape(-1)
    places = torch.arange(edge.source.tensor.numel()).reshape(edge.source.tensor.shape)
    if "targets" in edge.operands:
        return places.reshape(-1)
    return edge.layout.result.undo(edge.layout.views["input"].apply(places)).reshape(-1)


def read_of(edge: Edge, shape: tuple[int, ...]) -> tuple[AffineIndex, ...] | None:
    """Return how a result of a shape reads the source of an edge, an index per axis; None unless that is affine."""
    if edge.operands.keys().isdisjoint(POSITIONS):
        return _rearranged(edge.layout.views["input"], edge.layout.result, shape)
    return decode(positions(edge), shape, tuple(edge.source.tensor.shape))


@lru_cache(maxsize=1024)
def _rearranged(view: AxisView, result: AxisView, shape: tuple[int, ...]) -> tuple[AffineIndex, ...] | None:
    """Return how a result reads a source that has the same entries in an order that only shapes decide."""
    places = torch.arange(math.prod(view.original)).reshape(view.original)
    return decode(result.undo(view.apply(places)).reshape(-1), shape, view.original)


def _gathered(node: Node, edges: Sequence[Edge], numbers: Mapping[Node, int]) -> Move | None:
    """Return a tensor's entries by their places, if they are few, and the others are 0; else None."""
    count, gathers = node.tensor.numel(), []
    filled = torch.zeros(count, dtype=torch.bool)
    for edge in edges:
        places, targets = positions(edge), edge.operands.get("targets")
        where = torch.arange(count) if targets is None else targets.reshape(-1)
        if places.numel() != where.numel() or bool(filled[where].any()) or places.numel() > MOST_PLACES:
            return None
        filled[where] = True
        gathers.append(Gathered(numbers[edge.source], tuple(places.tolist()), _targets(where, count)))
    rest = node.tensor.detach().reshape(-1)[~filled]
    return Move(None, gathers=tuple(gathers)) if gathers and not bool(rest.any()) else None


def _targets(where: Tensor, count: int) -> tuple[int, ...] | None:
    """Return places in a result; None for all in their order."""
    found = tuple(where.tolist())
    return None if found == tuple(range(count)) else found


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
