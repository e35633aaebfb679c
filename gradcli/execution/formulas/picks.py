"""Tensors whose entries are read at indices that are data: `X[i]`, `gather(X, 1, i)`, `masked_select(x, m)`.

Each is a sum over the axes that are indexed, in which a one-hot tensor says which entry is read:
X[i][a, b] = Σ_z one_hot(i)[a, z] X[z, b].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from gradcli.derivation.formulas import NodeDefinition, Operand
from gradcli.derivation.messages import DerivativeRequest
from gradcli.execution.reference.nodes import Node
from gradcli.ops.record import Op

# Of the axes of a result, and of those of a source that are indexed.
KEPT, INDEXED = "abcdefghijklm", "zyxwvut"
MOST_AXES = len(INDEXED)
# What may put axes of length 1 into an index.
RESHAPING = frozenset({"unsqueeze", "reshape", "view", "getitem"})

TextOf = Callable[[Node], "str | None"]
MadeBy = Callable[[Node], "tuple[Op | None, Mapping[str, Any]]"]


@dataclass(frozen=True, slots=True)
class Words:
    """What is known of indices."""

    text: TextOf
    """What formulas call one; None for none."""
    made_by: MadeBy
    """The op that made one, and its arguments."""

    def without_ones(self, index: Node, axes: list[int | None]) -> tuple[Node, list[int | None]]:
        """Return what an index was made of by putting in axes of length 1, and the axes of the result along its own."""
        while True:
            op, bound = self.made_by(index)
            inner = bound.get("input") if op is not None and op.name in RESHAPING else None
            left = [size for size in index.tensor.shape if size != 1]
            if not isinstance(inner, Node) or [*inner.tensor.shape] != left or len(left) == index.tensor.ndim:
                return index, axes
            axes = [axis for axis, size in zip(axes, index.tensor.shape, strict=True) if size != 1]
            index = inner


@dataclass(frozen=True, slots=True)
class OneHot:
    """Which entry of an axis each entry of a result reads."""

    text: str
    shape: tuple[int, ...]
    axes: tuple[int | None, ...]
    """The axis of the result along each of its own axes, but the last; None where it is broadcast."""


@dataclass(frozen=True, slots=True)
class Pick:
    """How a result reads a source: at an index of its own, or where a one-hot tensor says, an item an axis."""

    source: Node
    reads: tuple[int | OneHot, ...]

    @property
    def one_hots(self) -> list[OneHot]:
        """Return what says which entries are read."""
        return [read for read in self.reads if isinstance(read, OneHot)]


def pick_of(node: Node, words: Words) -> Pick | None:
    """Return how a moved tensor is read at indices that have a text; None of any other."""
    if len(node.edges) != 1 or node.origin is None:
        return None
    op, bound = node.origin
    read = READS.get(op.name)
    reads = None if read is None or bound["input"] is not node.edges[0].source else read(bound, node, words)
    return None if reads is None or len(reads) > MOST_AXES else Pick(node.edges[0].source, tuple(reads))


def definition(pick: Pick, node: Node, numbers: Mapping[Node, int], places: Sequence[int]) -> NodeDefinition:
    """Return a pick as the contraction that it is; `places` are the nodes of its one-hot tensors."""
    shape, spare = tuple(node.tensor.shape), iter(INDEXED)
    letters = [next(spare) if isinstance(read, OneHot) else KEPT[read] for read in pick.reads]
    sources = [(letters, tuple(pick.source.tensor.shape), numbers[pick.source])]
    indexed = [letter for letter, read in zip(letters, pick.reads, strict=True) if isinstance(read, OneHot)]
    for one, letter, place in zip(pick.one_hots, indexed, places, strict=True):
        own = ["" if axis is None else KEPT[axis] for axis in one.axes]
        sources.append(([*own, letter], one.shape, place))
    axes, operands = [], []
    for number, (own, sizes, place) in enumerate(sources):
        kept = [axis for axis, size in enumerate(sizes) if size != 1]
        axes.append((f"operand{number}", "".join(own[axis] for axis in kept)))
        operands.append(Operand(f"operand{number}", place, tuple((axis,) for axis in kept)))
    out = [axis for axis, size in enumerate(shape) if size != 1]
    formula = "*".join(name for name, _ in axes)
    request = DerivativeRequest(formula, tuple(axes), (), "".join(KEPT[axis] for axis in out), ("operand0",))
    return NodeDefinition(request, tuple((axis,) for axis in out), tuple(operands))


def _one_hot(index: Node, count: int, axes: Sequence[int | None], words: Words) -> OneHot | None:
    """Return the one-hot tensor of whole numbers, which may count from the end; None if they have no text."""
    index, axes = words.without_ones(index, [*axes])
    text = words.text(index)
    if text is None:
        return None
    is_from_end = bool((index.tensor < 0).any())
    return OneHot(
        f"one_hot({text}{f' % {count}' if is_from_end else ''}, {count})",
        (*index.tensor.shape, count),
        axes=tuple(axes),
    )


def _of_mask(mask: Node, axis: int, count: int, place: int, words: Words) -> OneHot | None:
    """Return the one-hot tensor of where a mask is true, along one of its axes."""
    text = words.text(mask)
    length = int(mask.tensor.count_nonzero())
    return None if text is None else OneHot(f"one_hot(nonzero({text})[:, {axis}], {count})", (length, count), (place,))


def _along(bound: Mapping[str, Any], node: Node, words: Words) -> list[int | OneHot] | None:
    """Return the reads of `gather` and its relatives, whose index has all axes of the result."""
    index, dim = bound.get("index", bound.get("indices")), bound["dim"]
    shape, whole = tuple(node.tensor.shape), tuple(bound["input"].tensor.shape)
    if dim is None or not isinstance(index, Node) or tuple(index.tensor.shape) != shape or not shape:
        return None
    dim %= len(shape)
    if any(axis != dim and size != whole[axis] for axis, size in enumerate(shape)):
        return None
    one = _one_hot(index, whole[dim], range(len(shape)), words)
    return None if one is None else [one if axis == dim else axis for axis in range(len(shape))]


def _selected(bound: Mapping[str, Any], node: Node, words: Words) -> list[int | OneHot] | None:
    """Return the reads of `index_select`, whose index is along one axis."""
    index, rank = bound["index"], node.tensor.ndim
    if not isinstance(index, Node) or index.tensor.ndim != 1 or not rank:
        return None
    dim = bound["dim"] % rank
    one = _one_hot(index, bound["input"].tensor.shape[dim], [dim], words)
    return None if one is None else [one if axis == dim else axis for axis in range(rank)]


def _at(bound: Mapping[str, Any], node: Node, words: Words) -> list[int | OneHot] | None:
    """Return the reads of one entry of each row."""
    index, rank = bound["index"], node.tensor.ndim
    if not isinstance(index, Node) or tuple(index.tensor.shape) != tuple(node.tensor.shape):
        return None
    one = _one_hot(index, bound["input"].tensor.shape[-1], range(rank), words)
    return None if one is None else [*range(rank), one]


def _flat(bound: Mapping[str, Any], node: Node, words: Words) -> list[int | OneHot] | None:
    """Return the reads of `take` of a vector."""
    index, source = bound["index"], bound["input"]
    if not isinstance(index, Node) or source.tensor.ndim != 1:
        return None
    one = _one_hot(index, source.tensor.shape[0], range(node.tensor.ndim), words)
    return None if one is None else [one]


def _masked(bound: Mapping[str, Any], node: Node, words: Words) -> list[int | OneHot] | None:
    """Return the reads of `masked_select`, by a mask of the source's shape."""
    whole, mask = tuple(bound["input"].tensor.shape), bound["mask"]
    if node.tensor.ndim != 1 or not isinstance(mask, Node) or tuple(mask.tensor.shape) != whole:
        return None
    return _known([_of_mask(mask, axis, size, 0, words) for axis, size in enumerate(whole)])


def _item(bound: Mapping[str, Any], node: Node, words: Words) -> list[int | OneHot] | None:
    """Return the reads of an indexing by whole axes, tensors of whole numbers, and masks."""
    whole, key = tuple(bound["input"].tensor.shape), _spread(bound["index"], bound["input"].tensor.ndim)
    if key is None:
        return None
    tensors = [place for place, one in enumerate(key) if isinstance(one, Node)]
    shapes = [_read_shape(one) for one in key if isinstance(one, Node)]
    block = len(torch.broadcast_shapes(*shapes))
    is_adjacent = tensors == [*range(tensors[0], tensors[-1] + 1)]
    first = tensors[0] if is_adjacent else 0
    reads: list[int | OneHot | None] = []
    others = iter([axis for axis in range(node.tensor.ndim) if not first <= axis < first + block])
    for one in key:
        axis = len(reads)
        if not isinstance(one, Node):
            reads.append(next(others))
        elif one.tensor.dtype == torch.bool:
            reads += [_of_mask(one, own, whole[axis + own], first, words) for own in range(one.tensor.ndim)]
        else:
            reads.append(_one_hot(one, whole[axis], range(first + block - one.tensor.ndim, first + block), words))
    return _known(reads)


def _spread(index: Any, rank: int) -> list[Any] | None:
    """Return an index with an item for each axis, a mask for several; None if it is by anything else too."""
    items = [*index] if isinstance(index, list | tuple) else [index]
    used = sum(_axes_of(one) for one in items)
    if Ellipsis in [one for one in items if not isinstance(one, Node)]:
        place = next(place for place, one in enumerate(items) if one is Ellipsis)
        items[place : place + 1] = [slice(None)] * (rank - used)
    items += [slice(None)] * (rank - sum(_axes_of(one) for one in items))
    is_plain = all(one == slice(None) for one in items if not isinstance(one, Node))
    return items if is_plain and any(isinstance(one, Node) for one in items) else None


def _axes_of(item: Any) -> int:
    if isinstance(item, Node):
        return item.tensor.ndim if item.tensor.dtype == torch.bool else 1
    return 0 if item is Ellipsis or item is None else 1


def _read_shape(item: Node) -> tuple[int, ...]:
    is_mask = item.tensor.dtype == torch.bool
    return (int(item.tensor.count_nonzero()),) if is_mask else tuple(item.tensor.shape)


def _known(reads: Sequence[int | OneHot | None]) -> list[int | OneHot] | None:
    found = [read for read in reads if read is not None]
    return found if len(found) == len(reads) else None


READS: Mapping[str, Callable[[Mapping[str, Any], Node, Words], list[int | OneHot] | None]] = {
    "getitem": _item,
    "gather": _along,
    "take_along_dim": _along,
    "index_select": _selected,
    "_at": _at,
    "take": _flat,
    "masked_select": _masked,
}
