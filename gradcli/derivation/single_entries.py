"""Sympy's text of a derivative to be run: by the sympy process, which alone has sympy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class EntriesRequest:
    """What a text comes to at some places, as it is shown."""

    declarations: str
    """The lines before the expression."""
    expression: str
    """The expression of one entry."""
    free: tuple[str, ...]
    """The variables of the entry's indices; 0 along an axis of length 1."""
    places: tuple[tuple[int, ...], ...]
    """The places of the entries that are wanted."""
    values: dict[str, Any]
    """What each tensor is: nested lists, or a number; the lengths that have names, too."""
    seconds: float
    """The time after which no further entry is evaluated."""

    def to_data(self) -> dict[str, Any]:
        """Return the request as JSON data."""
        return asdict(self)

    @staticmethod
    def from_data(data: dict[str, Any]) -> EntriesRequest:
        """Return the request that `to_data` made the data of."""
        places = tuple(tuple(place) for place in data["places"])
        return EntriesRequest(**{**data, "free": tuple(data["free"]), "places": places})
