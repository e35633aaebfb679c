"""What is asked of a proof, and what comes back: circuits of scalar functions, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

EntryVerdict = Literal["proved", "exact", "different", "undecided"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One entry of a gradient."""

    name: str
    """The leaf's."""
    leaf: int
    """The node of the leaf's entry."""
    traced: int | None
    """The node of what PyTorch computes; None where it could not be written as a formula."""


@dataclass(frozen=True, slots=True)
class ProofRequest:
    """The program by its definitions, and its backward as PyTorch executes it, as one circuit."""

    nodes: tuple[tuple[str | int, ...], ...]
    """A function's name and its operands' numbers each; of leaves and numbers, their text."""
    outputs: tuple[int, ...]
    """The entries of the output."""
    cotangents: tuple[int, ...]
    """Those of the upstream gradient."""
    wanted: tuple[Wanted, ...]
    """The entries of the gradients."""
    domains: tuple[tuple[int, float, float], ...]
    """An open interval for entries of leaves that have one."""
    points: tuple[tuple[tuple[int, float], ...], ...]
    """Points at which the derivative is evaluated: a value for every entry of a leaf and of the upstream gradient."""
    seconds: float
    """The time for all of it."""

    def to_data(self) -> dict[str, Any]:
        """Return the request as JSON data."""
        return asdict(self)

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> ProofRequest:
        """Return the request that `to_data` made the data of."""
        return ProofRequest(
            tuple(tuple(node) for node in data["nodes"]),
            tuple(data["outputs"]),
            tuple(data["cotangents"]),
            tuple(Wanted(**item) for item in data["wanted"]),
            tuple((leaf, low, high) for leaf, low, high in data["domains"]),
            tuple(tuple((leaf, value) for leaf, value in point) for point in data["points"]),
            data["seconds"],
        )


@dataclass(frozen=True, slots=True)
class Region:
    """Where the two differ."""

    where: str
    """In words of the leaves: `x > 20`, `x = 0`."""
    kind: Literal["kink", "jump", "stair", "small", "difference", "undefined", "unknown"]
    point: tuple[tuple[int, float], ...] | None
    """A point of it, by the entries of leaves."""
    error: float | None
    """The largest relative difference that was met in it."""
    difference: str | None
    """The formula of the difference."""
    value: float | None = None
    """The derivative at the point; None where it has no value there."""


@dataclass(frozen=True, slots=True)
class ProvedEntry:
    """What one entry of a gradient comes to."""

    verdict: EntryVerdict
    derived: str
    """The derivative as a formula."""
    traced: str | None
    """What PyTorch computes, as a formula."""
    regions: tuple[Region, ...] = ()
    points: int = 0
    """The number of exact points at which the two are equal."""
    reason: str | None = None
    """Why nothing is decided."""


@dataclass(frozen=True, slots=True)
class Rounded:
    """A number in the backward that is taken for the one that it is rounded from."""

    text: str
    meaning: str
    relative: float


@dataclass(frozen=True, slots=True)
class Proof:
    """The answer."""

    entries: tuple[ProvedEntry, ...]
    values: tuple[tuple[float | None, ...], ...]
    """The derivative at each point, an entry each; None where it has none there."""
    traced: tuple[tuple[float | None, ...], ...]
    """What the formula of PyTorch's backward gives there; None where it has no value, or there is no formula."""
    rounded: tuple[Rounded, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """Return the answer as JSON data."""
        return asdict(self)

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> Proof:
        """Return the answer that `to_data` made the data of."""
        return Proof(
            tuple(_entry(item) for item in data["entries"]),
            tuple(tuple(row) for row in data["values"]),
            tuple(tuple(row) for row in data["traced"]),
            tuple(Rounded(**item) for item in data["rounded"]),
        )


def _entry(data: Mapping[str, Any]) -> ProvedEntry:
    return ProvedEntry(**{**data, "regions": tuple(_region(item) for item in data["regions"])})


def _region(data: Mapping[str, Any]) -> Region:
    point: Sequence[Any] | None = data["point"]
    return Region(**{**data, "point": None if point is None else tuple((leaf, value) for leaf, value in point)})
