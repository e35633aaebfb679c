"""What only `report` reports, in formats other than a page: the graphs as trees, then the chain rule."""

from __future__ import annotations

from typing import cast

from gradcli.render.commands.trace import grids as steps
from gradcli.render.graph.tree import grids as trees
from gradcli.render.grid import Grid
from gradcli.render.presentation import Presentation
from gradcli.report.page import PageDetails
from gradcli.report.report import Report
from gradcli.report.trace import TraceDetails


def grids(report: Report) -> tuple[Grid, ...]:
    """Return the trees of the graphs, and the steps of the chain rule."""
    details = cast("PageDetails", report.details)
    return (*trees(report), *steps(TraceDetails(details.trace, details.left_out)))


PRESENTATION = Presentation(grids_of_report=grids, shows=lambda _: False)
