"""What each tensor holds when some are written in place: a write through one reaches all that share its memory.

A program that writes in place is followed as one that does not. What is written through a tensor is noted for its
storage, with the elements that the tensor has there; another tensor of the storage takes the entries over that it
shares when it is read next. Which they are, the tensors' addresses say, so that every kind of view is followed alike.
"""

from __future__ import annotations

from collections.abc import Callable
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


class Aliases:
    """The values of tensors by identity, whatever was written to their memory since."""

    def __init__(self, patched: Patched) -> None:
        self._patched = patched
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
        if known.seen == len(storage.writes):
            return known.value
        pending, own, value = [], StorageView.of(known.tensor), known.value
        for layout, new in reversed(storage.writes[known.seen :]):
            patch = overlap(own, layout)
            if not patch.is_empty:
                pending.append((new, patch))
            if patch.is_whole:
                break
        for new, patch in reversed(pending):
            value = self._patched(value, new, patch)
        return value

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


def assigned(target: Tensor, index: Any, shape: tuple[int, ...]) -> Patch:
    """Return which entries `target[index] = value` overwrites, for a value of a shape; PyTorch says which it keeps."""
    mask = torch.zeros(target.shape, dtype=torch.bool, device=target.device)
    source = torch.zeros(target.shape, dtype=torch.int64, device=target.device)
    mask[index] = True
    source[index] = _numbered(shape).to(target.device)
    return Patch(mask, source, shape)


def _numbered(shape: tuple[int, ...]) -> Tensor:
    return torch.arange(torch.Size(shape).numel()).reshape(shape)


def _largest(addresses: Tensor) -> int:
    return int(addresses.max()) if addresses.numel() else 0


def _kind(layout: StorageView) -> str:
    return str(layout.dtype).removeprefix("torch.")
