"""What only some commands report, as grids: each kind has a module of its own that makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradcli.render import calls, chain, checks, custom, derivatives, hooks, lifecycles, products
from gradcli.render.grid import Grid
from gradcli.report import Report

# The fields of a report that only some commands fill, and the grids that show each.
EXTRAS: Mapping[str, Callable[[Any], tuple[Grid, ...]]] = {
    "tensors": lambda tensors: (*checks.grids_of_tensors(tensors), *derivatives.grids_of_jacobians(tensors)),
    "points": checks.grids_of_points,
    "accumulation": calls.grids,
    "jvp": derivatives.grids_of_product,
    "hessian": derivatives.grids_of_hessian,
    "symbolic_hessian": derivatives.grids_of_disputed_blocks,
    "symmetry": derivatives.grids_of_symmetry,
    "method": derivatives.grids_of_method,
    "lifecycle": lifecycles.grids_of_lifecycle,
    "trace": chain.grids,
    "checks": custom.grids_of_checks,
    "node": custom.grids_of_node,
    "vjp": products.grids,
    "hooks": hooks.grids,
}


def grids_of(report: Report) -> tuple[Grid, ...]:
    """Return the grids for the fields that this command filled."""
    return tuple(grid for name, value in report.fields() if name in EXTRAS for grid in EXTRAS[name](value))
