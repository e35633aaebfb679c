"""The numerical witnesses of a gradient: what each is called, and the class that it is.

To add one, add its row here and its class in a module of gradcli.execution.witnesses; the options, the settings and
the reports read these rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

SYMBOLIC = "symbolic"
DIFFERENCES = "finite-difference"


@dataclass(frozen=True, slots=True)
class WitnessRow:
    """A witness as users meet it."""

    name: str
    """The value of `--witness`, and the key in JSON."""
    heading: str
    """The heading of its column."""
    phrase: str
    """What it is called in sentences. A witness with a `max_abs_error` has a plural ("... are off by 2"), one with an
    `order` a singular ("... is of order 1")."""
    agrees: str
    """The verb that goes with that phrase."""
    title: str
    """What it is called as a row of a table: without an article."""
    implementation: str
    """The dotted name of its class: it imports torch, and its name does not."""


_ROWS = (
    WitnessRow(
        DIFFERENCES,
        "differences",
        "finite differences",
        "agree",
        "finite differences",
        "gradcli.execution.witnesses.finite_differences.FiniteDifferences",
    ),
    WitnessRow(
        "taylor",
        "Taylor order",
        "the Taylor remainder",
        "agrees",
        "Taylor remainder",
        "gradcli.execution.witnesses.taylor.Taylor",
    ),
)
WITNESSES: Mapping[str, WitnessRow] = {row.name: row for row in _ROWS}

if TYPE_CHECKING:
    WitnessName: TypeAlias = str
else:  # the names are checked where they come in: by the command line, in suites and by the API
    WitnessName = Literal[(SYMBOLIC, *WITNESSES)]
