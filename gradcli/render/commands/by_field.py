"""What only some commands report, as grids: each kind has a module of its own that makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gradcli.render.commands import accumulate, check, custom, double_backward, grad, hooks, jacobian_hessian, trace
from gradcli.render.grid import Grid
from gradcli.report.report import Report

# The fields of a report that only some commands fill, and the grids that show each.
EXTRAS: Mapping[str, Callable[[Any], tuple[Grid, ...]]] = {
    "tensors": lambda tensors: (*check.grids_of_tensors(tensors), *jacobian_hessian.grids_of_jacobians(tensors)),
    "points": check.grids_of_points,
    "accumulation": accumulate.grids,
    "jvp": jacobian_hessian.grids_of_product,
    "hessian": jacobian_hessian.grids_of_hessian,
    "symbolic_hessian": jacobian_hessian.grids_of_disputed_blocks,
    "symmetry": jacobian_hessian.grids_of_symmetry,
    "method": jacobian_hessian.grids_of_method,
    "lifecycle": double_backward.grids_of_lifecycle,
    "trace": trace.grids,
    "checks": custom.grids_of_checks,
    "node": custom.grids_of_node,
    "vjp": grad.grids,
    "hooks": hooks.grids,
}


def grids_of(report: Report) -> tuple[Grid, ...]:
    """Return the grids for the fields that this command filled."""
    return tuple(grid for name, value in report.fields() if name in EXTRAS for grid in EXTRAS[name](value))
