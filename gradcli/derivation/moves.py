"""How tensors that are only moved are made of others' entries, as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AffineIndex:
    """The index along one axis of a source: base + step * index along one axis of the result."""

    base: int
    """The index of the first entry that is read."""
    step: int = 0
    """How far the next one is."""
    axis: int | None = None
    """The axis of the result; None if the index is the same for all of it."""


@dataclass(frozen=True, slots=True)
class AffineWrite:
    """A source whose entries are some of a tensor's, at indices that are affine in its own."""

    source: int
    """The node that is written."""
    indices: tuple[AffineIndex, ...]
    """The index along each axis of the tensor."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Entries of a source by their places, counted in flattened tensors."""

    source: int
    """The node."""
    sources: tuple[int, ...]
    """Where each entry is in the source."""
    targets: tuple[int, ...] | None = None
    """Where each is in the result; None for all of its places, in their order."""


@dataclass(frozen=True, slots=True)
class Overwritten:
    """A tensor of which a part, along each axis every so many entries, has the entries of another."""

    base: int
    """The node of the other entries."""
    part: tuple[AffineIndex, ...]
    """Where the part's entries are in the tensor, along each of its axes."""
    shape: tuple[int, ...]
    """The shape of the part."""
    written: int
    """The node of the part's entries."""
    reads: tuple[AffineIndex, ...]
    """Which entries of that they are, along each of its axes."""


@dataclass(frozen=True, slots=True)
class Move:
    """A tensor of others' entries: all of one in their order, in another shape, or each at a place of its own."""

    reshaped: int | None
    """The node of the same entries; None if it is made of several."""
    writes: tuple[AffineWrite, ...] = ()
    """Where the entries of the sources are."""
    is_whole: bool = False
    """Whether there are no other entries."""
    gathers: tuple[Gathered, ...] = ()
    """Which entries it is made of, where their places follow no line; all others are 0."""
    band: tuple[int | None, int | None] | None = None
    """The first and last diagonals that are kept of each matrix of `reshaped`, None at its ends; None for all."""
    overwritten: Overwritten | None = None
    """Which part of another tensor it has other entries in; None for none."""


def move_from(data: dict[str, Any]) -> Move:
    """Return the move that JSON data was made of."""
    writes = (AffineWrite(item["source"], indices_from(item["indices"])) for item in data["writes"])
    gathers = (
        Gathered(item["source"], tuple(item["sources"]), None if item["targets"] is None else tuple(item["targets"]))
        for item in data["gathers"]
    )
    band = None if data["band"] is None else (data["band"][0], data["band"][1])
    over = data["overwritten"]
    overwritten = None if over is None else _overwritten(over)
    return Move(data["reshaped"], tuple(writes), data["is_whole"], tuple(gathers), band, overwritten)


def _overwritten(data: dict[str, Any]) -> Overwritten:
    part, reads = indices_from(data["part"]), indices_from(data["reads"])
    return Overwritten(data["base"], part, tuple(data["shape"]), data["written"], reads)


def indices_from(data: Iterable[dict[str, Any]]) -> tuple[AffineIndex, ...]:
    """Return the indices that JSON data was made of."""
    return tuple(AffineIndex(**index) for index in data)
