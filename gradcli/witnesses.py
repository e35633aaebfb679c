"""The numerical witnesses of a gradient: what each is called, and the class that it is.

To add one, add its row here and its class in a module of gradcli.execution.witnesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

SYMBOLIC = "symbolic"


@dataclass(frozen=True, slots=True)
class WitnessRow:
    """A witness as users meet it."""

    name: str
    """The value of `--witness`, and the key in JSON."""
    heading: str
    """The heading of its column."""
    phrase: str
    """What it is called in sentences."""
    implementation: str
    """The dotted name of its class: it imports torch, and its name does not."""


_ROWS = (
    WitnessRow(
        "finite-difference",
        "differences",
        "finite differences",
        "gradcli.execution.witnesses.finite_differences.FiniteDifferences",
    ),
    WitnessRow("taylor", "Taylor order", "the Taylor remainder", "gradcli.execution.witnesses.taylor.Taylor"),
)
WITNESSES: Mapping[str, WitnessRow] = {row.name: row for row in _ROWS}

if TYPE_CHECKING:
    WitnessName: TypeAlias = str
else:  # the names are checked where they come in: by the command line, in suites and by the API
    WitnessName = Literal[(SYMBOLIC, *WITNESSES)]
