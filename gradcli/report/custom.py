"""What only `custom` reports: the checks of a Function, and its node in the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradcli.report.notes import Noted, Notes
from gradcli.report.records import optional, shown_as
from gradcli.report.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Check(Noted):
    """One thing that was checked of a custom Function, and what was found."""

    name: str
    verdict: Verdict
    notes: Notes = shown_as("note", default=())


@dataclass(frozen=True, slots=True)
class FunctionNode:
    """The node that a custom Function leaves in the graph, and what a call of its backward by hand returns.

    `next_functions` maps each tensor input to the node that its gradient goes to. `grad_outputs` is what backward is
    called with, one gradient an output; `returned` maps each argument of forward to what backward returns for it.
    """

    name: str
    next_functions: dict[str, str | None]
    grad_outputs: tuple[Any | None, ...]
    returned: dict[str, Any | None]


@dataclass(frozen=True, slots=True)
class SourcePlace:
    """A line of the user's code, as of a Function's backward; `file` is relative to the current folder if in it."""

    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomDetails:
    """What `custom` adds to the report."""

    checks: tuple[Check, ...] | None = optional()
    """None with `--no-verify`."""
    node: FunctionNode
    surrogate: str | None = optional()
    """What backward was compared with in place of forward, as a program."""
    source: SourcePlace | None = optional()
