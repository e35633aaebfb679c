"""What only `double-backward` reports: what a second backward pass finds of the first, and second derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradcli.report.comparison import Symbolic
from gradcli.report.notes import Noted, Notes
from gradcli.report.records import optional, shown_as
from gradcli.report.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Second(Noted):
    """The derivative of the sum of a leaf's gradient with respect to the same leaf."""

    gradient: Any | None
    symbolic: Symbolic | None
    verdict: Verdict | None
    notes: Notes = shown_as("note", default=())
    formula: str | None = optional()
    """It in terms of the leaves, where that can be written."""
    latex: str | None = optional()
    """The same as LaTeX."""


@dataclass(frozen=True, slots=True)
class Saving:
    """A node of the graph that saves tensors for its backward: `name` is the tensor that it made."""

    grad_fn: str
    name: str
    saves: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WithoutRetainGraph:
    """A second backward through a graph that the first has freed: "error" or "ok", predicted before it is run.

    `freed_by` is the tensor whose node is the first to miss what it saved, `nodes` are all that save tensors, in the
    order of the backward pass.
    """

    predicted: str
    observed: str
    message: str | None
    freed_by: str | None
    nodes: tuple[Saving, ...]


@dataclass(frozen=True, slots=True)
class WithRetainGraph:
    """Every leaf's `.grad` after each call of backward."""

    grads: tuple[dict[str, Any | None], ...]


@dataclass(frozen=True, slots=True)
class WithCreateGraph:
    """Second derivatives by leaf."""

    second: dict[str, Second]


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What happens when backward runs more than once."""

    without_retain_graph: WithoutRetainGraph
    with_retain_graph: WithRetainGraph
    with_create_graph: WithCreateGraph


@dataclass(frozen=True, slots=True)
class DoubleBackwardDetails:
    """What `double-backward` adds to the report."""

    lifecycle: Lifecycle
