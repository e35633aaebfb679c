"""The lines that pass between gradcli and the sympy process: JSON, and a number that says which answer is whose."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

QueryKind: TypeAlias = Literal["derive", "formulas", "arbitrate", "prove", "entries"]
# The number of the line by which the process says that sympy is loaded.
READY = 0


@dataclass(frozen=True, slots=True)
class Query:
    """One question to the sympy process, as a line."""

    number: int
    """Its number, which no other question to the same process has."""
    kind: QueryKind
    """What is asked for."""
    data: dict[str, Any]
    """The request, as its `to_data` gives it."""

    def to_line(self) -> bytes:
        """Return the question as a line of JSON, in ASCII whatever the encoding of the environment."""
        return _line(self)

    @staticmethod
    def from_line(line: bytes) -> Query:
        """Return the question that `to_line` made the line of."""
        return Query(**json.loads(line))


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the process."""

    number: int
    """The number of the question."""
    data: Any = None
    """The answer, as its `to_data` gives it."""
    error: str | None = None
    """Why sympy has no answer; asked again, it would say the same."""
    defect: str | None = None
    """What gradcli itself raised, if it has a defect: an error's name and text."""
    exhausted: bool = False
    """The process has no memory left, and ends."""
    partial: bool = False
    """The time was over before the answer was whole; asked again, it may say more."""

    def to_line(self) -> bytes:
        """Return the answer as a line of JSON."""
        return _line(self)

    @staticmethod
    def from_line(line: bytes) -> Answer:
        """Return the answer that `to_line` made the line of; ValueError or TypeError for any other line."""
        return Answer(**json.loads(line))


def _line(message: Query | Answer) -> bytes:
    return json.dumps(asdict(message)).encode("ascii") + b"\n"
