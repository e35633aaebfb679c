"""What only `jacobian` reports: the Jacobian by each leaf."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gradcli.escaping import escape
from gradcli.phrases import show_shape
from gradcli.render.commands.hessian import method_grid
from gradcli.render.grid import Grid
from gradcli.render.numbers import matrix_lines
from gradcli.render.presentation import Presentation
from gradcli.report.report import TensorReport
from gradcli.report.verdict import fails

ALONE, BESIDE = 76, 36  # how wide a matrix may be, alone and beside another one


def grids_of_tensors(tensors: Sequence[TensorReport]) -> tuple[Grid, ...]:
    """Return the grid of each tensor's Jacobian."""
    return tuple(_jacobian(tensor) for tensor in tensors if tensor.jacobian is not None)


def _jacobian(tensor: TensorReport) -> Grid:
    value: Any = tensor.jacobian
    columns = math.prod(tensor.shape)
    disputed = tensor.symbolic if fails(tensor.verdict) else None
    room = ALONE if disputed is None else BESIDE
    cells, headings = [matrix_lines(value, columns, room)], ["PyTorch"]
    if disputed is not None:
        cells.append(matrix_lines(disputed.value, columns, room))
        headings.append("symbolic")
    shape = show_shape(tuple(value.shape))
    title = f"Jacobian by {escape(tensor.name)}, {'a scalar' if not value.shape else f'shape {shape}'}"
    title += "" if len(value.shape) <= 2 else ", its rows the entries of the output"  # noqa: PLR2004 (it is a matrix)
    return Grid(title, tuple(headings), (tuple(cells),))


PRESENTATION = Presentation(lambda details: method_grid(details.method), grids_of_tensors, shows_gradient=False)
