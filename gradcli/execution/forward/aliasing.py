"""What each tensor holds when some are written in place: a write through one reaches all that share its memory.

A program that writes in place is followed as one that does not. What is written through a tensor is noted for its
storage, with the elements that the tensor has there; another tensor of the storage takes the entries over that it
shares when it is read next. Which they are, the tensors' addresses say, so that every kind of view is followed alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.forward.trace import TracedTensor


class AliasError(Exception):
    """A tensor shares memory in a way that cannot be followed."""


@dataclass(frozen=True)
class Patch:
    """How a tensor is overwritten: where `mask` is true, by the entry of the flattened new value that `source` says."""

    mask: Tensor
    source: Tensor
    shape: tuple[int, ...]
    """That of the new value."""

    @cached_property
    def is_whole(self) -> bool:
        """Return whether every entry is overwritten."""
        return bool(self.mask.all())

    @cached_property
    def is_empty(self) -> bool:
        """Return whether no entry is overwritten."""
        return not bool(self.mask.any())

    @property
    def is_copy(self) -> bool:
        """Return whether the tensor becomes the new value as it is."""
        if tuple(self.source.shape) != self.shape or not self.is_whole:
            return False
        return torch.equal(self.source, _numbered(self.shape).to(self.source.device))


@dataclass(frozen=True, slots=True)
class StorageView:
    """The elements of a storage that a tensor has."""

    dtype: torch.dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @staticmethod
    def of(tensor: Tensor) -> StorageView:
        """Return a tensor's layout."""
        return StorageView(tensor.dtype, int(tensor.storage_offset()), tuple(tensor.shape), tensor.stride())

    @property
    def addresses(self) -> Tensor:
        """Return the number of every entry's element in the storage."""
        numbers = torch.full(self.shape, self.offset)
        for axis, (size, stride) in enumerate(zip(self.shape, self.strides, strict=True)):
            steps = [1] * len(self.shape)
            steps[axis] = size
            numbers = numbers + (torch.arange(size) * stride).reshape(steps)
        return numbers


@dataclass(slots=True)
class _Known:
    tensor: Tensor
    """Kept, so that no other takes its identity."""
    value: TracedTensor
    seen: int
    """How many of the writes to its storage the value has in it."""


@dataclass(slots=True)
class _Storage:
    known: list[_Known] = field(default_factory=list)
    writes: list[tuple[StorageView, TracedTensor]] = field(default_factory=list)


# What gives a value with some of its entries overwritten; without an old value all of them are.
Patched = Callable[[TracedTensor | None, TracedTensor, Patch], TracedTensor]
# What gives a value that is put together of others: of each those entries of the flattened value that a tensor says,
# one after the other, and of all these the ones that the last tensor says, in its shape.
Gathered = Callable[[Sequence[tuple[TracedTensor, Tensor]], Tensor], TracedTensor]


class Aliases:
    """The values of tensors by identity, whatever was written to their memory since."""

    def __init__(self, patched: Patched, gathered: Gathered) -> None:
        self._patched, self._gathered = patched, gathered
        self._known: dict[int, _Known] = {}
        self._storages: dict[int, _Storage] = {}

    def know(self, tensor: Tensor, value: TracedTensor) -> None:
        """Note what a tensor holds now."""
        storage = self._storage(tensor)
        known = _Known(tensor, value, len(storage.writes))
        self._known[id(tensor)] = known
        storage.known.append(known)

    def write(self, tensor: Tensor, value: TracedTensor) -> None:
        """Note what was written to a tensor, and so to all that share its memory."""
        self._storage(tensor).writes.append((StorageView.of(tensor), value))
        self.know(tensor, value)

    def store(self, view: Tensor, value: TracedTensor) -> None:
        """Note what was written to a view that nobody keeps: whoever reads the memory next takes all of it over."""
        self._storage(view).writes.append((StorageView.of(view), value))

    def is_known(self, tensor: Tensor) -> bool:
        """Return whether a tensor has been read, or noted, itself."""
        return id(tensor) in self._known

    def read(self, tensor: Tensor) -> TracedTensor | None:
        """Return what a tensor holds; None for one that shares no memory with any that is known."""
        known = self._known.get(id(tensor))
        if known is None:
            return self._elsewhere(tensor)
        storage = self._storage(tensor)
        known.value = self._updated(known, storage)
        known.seen = len(storage.writes)
        return known.value

    def _updated(self, known: _Known, storage: _Storage) -> TracedTensor:
        pending, value = storage.writes[known.seen :], known.value
        if not pending:  # a sparse tensor has no strides either
            return value
        own = StorageView.of(known.tensor)
        whole = max((place for place, (layout, _) in enumerate(pending) if layout == own), default=None)
        if whole is not None:
            value, pending = pending[whole][1], pending[whole + 1 :]
        if len(pending) > 1:
            return self._of_many(own, value, pending)
        for layout, new in pending:
            patch = overlap(own, layout)
            value = value if patch.is_empty else self._patched(value, new, patch)
        return value

    def _of_many(
        self, own: StorageView, value: TracedTensor, writes: Sequence[tuple[StorageView, TracedTensor]]
    ) -> TracedTensor:
        """Return a value after many writes, of whose values no more is taken than what stays: a loop may write each."""
        layouts = [own, *(layout for layout, _ in writes)]
        latest = _latest(own, layouts)
        kept, places = latest.unique(return_inverse=True)  # sorted: the pieces one after the other
        ends = torch.tensor([torch.Size(layout.shape).numel() for layout in layouts]).cumsum(0)
        counts = torch.searchsorted(kept, ends).diff(prepend=torch.zeros(1, dtype=torch.int64))
        starts = [0, *ends[:-1].tolist()]
        parts = zip((value, *(new for _, new in writes)), kept.split(counts.tolist()), starts, strict=True)
        pieces = [(piece, entries - start) for piece, entries, start in parts if len(entries)]
        return self._gathered(pieces, places)

    def _elsewhere(self, tensor: Tensor) -> TracedTensor | None:
        """Return what a tensor made out of sight holds, if a known one has all of its entries."""
        for known in self._storage(tensor).known:
            patch = (
                overlap(StorageView.of(tensor), StorageView.of(known.tensor))
                if known.tensor.dtype == tensor.dtype
                else None
            )
            if patch is not None and patch.is_whole:
                whole = self.read(known.tensor)
                assert whole is not None  # noqa: S101 (it is known)
                self.know(tensor, self._patched(None, whole, patch))
                return self._known[id(tensor)].value
        return None

    def _storage(self, tensor: Tensor) -> _Storage:
        return self._storages.setdefault(storage_of(tensor), _Storage())


def storage_of(tensor: Tensor) -> int:
    """Return the identity of the memory that a tensor rests on."""
    try:
        return int(tensor.untyped_storage()._cdata)  # noqa: SLF001 (empty storages have no address of their own)
    except (NotImplementedError, RuntimeError):  # a sparse tensor has none
        return id(tensor)


def overlap(reader: StorageView, writer: StorageView) -> Patch:
    """Return which entries of a tensor another one of the storage has; AliasError where elements are cut up."""
    if reader.dtype != writer.dtype:
        raise AliasError(f"memory that is seen as {_kind(reader)} and as {_kind(writer)}")
    numbers = _numbered(writer.shape)
    if reader == writer:
        return Patch(torch.ones(reader.shape, dtype=torch.bool), numbers, writer.shape)
    mine, theirs = reader.addresses, writer.addresses
    entries = torch.full((1 + max(_largest(mine), _largest(theirs)),), -1)
    entries[theirs.reshape(-1)] = numbers.reshape(-1)
    source = entries[mine]
    return Patch(source >= 0, source.clamp(min=0), writer.shape)


def _latest(reader: StorageView, layouts: Sequence[StorageView]) -> Tensor:
    """Return for each entry of a tensor which it is of all that several hold, one after the other, the last winning."""
    if any(layout.dtype != reader.dtype for layout in layouts):
        kinds = " and as ".join(dict.fromkeys(map(_kind, layouts)))
        raise AliasError(f"memory that is seen as {kinds}")
    addresses = [layout.addresses for layout in layouts]
    entries, number = torch.zeros(1 + max(map(_largest, addresses)), dtype=torch.int64), 0
    for some in addresses:
        entries[some.reshape(-1)] = torch.arange(number, number + some.numel())
        number += some.numel()
    return entries[addresses[0]]


def assigned(target: Tensor, index: Any, shape: tuple[int, ...]) -> Patch:
    """Return which entries `target[index] = value` overwrites, for a value of a shape; PyTorch says which it keeps."""
    mask = torch.zeros(target.shape, dtype=torch.bool, device=target.device)
    source = torch.zeros(target.shape, dtype=torch.int64, device=target.device)
    mask[index] = True
    source[index] = _numbered(shape).to(target.device)
    return Patch(mask, source, shape)


def is_basic(index: Any) -> bool:
    """Return whether an index gives a view of a tensor: whole numbers, slices, None and an ellipsis."""
    items = index if isinstance(index, tuple) else (index,)
    return all(item is None or item is ... or _is_slice(item) or type(item) is int for item in items)


def _is_slice(item: Any) -> bool:
    return isinstance(item, slice) and all(
        part is None or type(part) is int for part in (item.start, item.stop, item.step)
    )


def _numbered(shape: tuple[int, ...]) -> Tensor:
    return torch.arange(torch.Size(shape).numel()).reshape(shape)


def _largest(addresses: Tensor) -> int:
    return int(addresses.max()) if addresses.numel() else 0


def _kind(layout: StorageView) -> str:
    return str(layout.dtype).removeprefix("torch.")


def is_graph_leaf(tensor: Tensor) -> bool:
    """Return whether a tensor is a leaf that requires grad; a view that `no_grad` made and wrote to is none."""
    try:
        return tensor.requires_grad and tensor.is_leaf
    except RuntimeError:  # PyTorch does not say so of such a view
        return False
