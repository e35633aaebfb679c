"""Tensors that are another but for a part: what `y[0] = v`, `y[:, 1:] = w` and `select_scatter` make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.moves import AffineIndex, Overwritten
from gradcli.execution.formulas.affine import decode
from gradcli.execution.reference.nodes import Node

# The ops that write a part, and what they call its entries.
WRITING = {"_index_put": "values", "select_scatter": "src", "slice_scatter": "src"}


def overwritten(node: Node, numbers: Mapping[Node, int]) -> Overwritten | None:
    """Return which part of a tensor was replaced; None if the places of that part follow no line."""
    if node.origin is None or node.origin[0].name not in WRITING:
        return None
    op, bound = node.origin
    base, written = bound["input"], bound[WRITING[op.name]]
    if not isinstance(base, Node) or not isinstance(written, Node) or base is written:
        return None
    shape, places = tuple(node.tensor.shape), _places(op, bound)
    part = _box(places.unique(), shape)
    if part is None:
        return None
    counts = tuple(count for _, count in part)
    reads = _reads(places, written, counts)
    if reads is None:
        return None
    axes = [axis if count > 1 else None for axis, count in enumerate(counts)]
    indices = [AffineIndex(index.base, index.step, axis) for (index, _), axis in zip(part, axes, strict=True)]
    return Overwritten(numbers[base], tuple(indices), counts, numbers[written], reads)


def _places(op: Any, bound: Mapping[str, Any]) -> Tensor:
    """Return where each entry that is written goes in the flattened tensor, in the shape in which they are written."""
    shape = bound["input"].tensor.shape
    grid = torch.arange(prod(shape)).reshape(shape)
    if op.name == "_index_put":
        return grid[tuple(one.tensor for one in bound["indices"])]
    if op.name == "select_scatter":
        return grid.select(bound["dim"], bound["index"])
    start, end = bound["start"] or 0, shape[bound["dim"]] if bound["end"] is None else bound["end"]
    items = [slice(None)] * len(shape)
    items[bound["dim"]] = slice(start, end, bound["step"])
    return grid[tuple(items)]


def _box(places: Tensor, shape: tuple[int, ...]) -> list[tuple[AffineIndex, int]] | None:
    """Return the first index, the step and the count along each axis of places; None if they are no such part."""
    if not places.numel() or not shape:
        return None
    found: list[tuple[AffineIndex, int]] = []
    for along in torch.unravel_index(places, shape):
        several = along.unique()
        steps = several.diff().unique()
        if steps.numel() > 1:
            return None
        found.append((AffineIndex(int(several[0]), int(steps[0]) if steps.numel() else 0), several.numel()))
    return found if prod(count for _, count in found) == places.numel() else None


def _reads(places: Tensor, written: Node, counts: Sequence[int]) -> tuple[AffineIndex, ...] | None:
    """Return which entries of what is written the part has, in the order of its places."""
    own = torch.arange(written.tensor.numel()).reshape(written.tensor.shape)
    if places.unique().numel() != places.numel():
        return None
    order = own.expand(places.shape).reshape(-1)[places.reshape(-1).argsort()]
    shape = tuple(written.tensor.shape)
    return decode(order, tuple(counts), shape) if shape else ()
