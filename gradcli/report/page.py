"""What only `report` reports: all that there is to say of one program, which a page shows."""

from __future__ import annotations

from dataclasses import dataclass

from gradcli.report.graph import Graph
from gradcli.report.trace import LeftOut, TraceStep


@dataclass(frozen=True, slots=True)
class PageDetails:
    """What `report` adds to the report: what `graph` adds, and what `trace` does."""

    graph: Graph
    trace: tuple[TraceStep, ...]
    left_out: tuple[LeftOut, ...] = ()
