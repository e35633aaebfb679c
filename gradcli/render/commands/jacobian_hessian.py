"""Grids for Jacobians, Jacobian-vector products and Hessians."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gradcli.escaping import escape
from gradcli.render.grid import Grid, Lines
from gradcli.render.numbers import short, show_shape, tensor_lines
from gradcli.report.report import TensorReport
from gradcli.report.second_order import Derivative, Symmetry
from gradcli.report.verdict import Verdict, fails

# A Hessian is shown as a table of blocks where its rows are no wider than this.
WIDEST = 72
# Matrices of up to this many entries are shown in full.
FULL = 64
GAP = 2


def grids_of_jacobians(tensors: Sequence[TensorReport]) -> tuple[Grid, ...]:
    """Return the grid of each tensor's Jacobian."""
    return tuple(_jacobian(tensor) for tensor in tensors if tensor.jacobian is not None)


def _jacobian(tensor: TensorReport) -> Grid:
    value: Any = tensor.jacobian
    columns = math.prod(tensor.shape)
    cells = [_matrix(value, columns)]
    headings = ["torch.func.jacrev"]
    if fails(tensor.verdict) and tensor.symbolic is not None:
        cells.append(_matrix(tensor.symbolic.value, columns))
        headings.append("symbolic")
    shape = show_shape(tuple(value.shape))
    title = f"Jacobian by {escape(tensor.name)}, {'a scalar' if not value.shape else f'shape {shape}'}"
    title += "" if len(value.shape) <= 2 else ", its rows the entries of the output"  # noqa: PLR2004 (it is a matrix)
    return Grid(title, tuple(headings), (tuple(cells),))


def _matrix(value: Any, columns: int) -> Lines:
    """Return a derivative as a matrix, a column for each entry of what is differentiated by."""
    count = math.prod(value.shape)
    return tensor_lines(value.reshape(count // columns, columns) if value.shape and count else value, FULL)


def grids_of_product(product: Derivative) -> tuple[Grid, ...]:
    """Return the grid of a Jacobian-vector product."""
    rows: list[tuple[Lines | Verdict, ...]] = [(("Jv",), tensor_lines(product.value))]
    if product.symbolic is not None and fails(product.verdict):
        rows.append((("symbolic",), tensor_lines(product.symbolic.value)))
    if product.verdict is not None:
        rows.append((("verdict",), product.verdict))
    return (Grid("Jacobian-vector product", (), tuple(rows), _sentences(product.note)),)


def grids_of_hessian(hessian: dict[str, dict[str, Any]]) -> tuple[Grid, ...]:
    """Return the grid of a Hessian: a table of blocks, or a list of them where that would be too wide."""
    names = list(hessian)
    entries = {name: math.prod(hessian[name][name].shape[: len(hessian[name][name].shape) // 2]) for name in names}
    blocks = {(row, column): _matrix(hessian[row][column], entries[column]) for row in names for column in names}
    widths = [max(len(line) for row in names for line in (column, *blocks[row, column])) for column in names]
    if max(map(len, names)) + sum(widths) + GAP * len(names) <= WIDEST:
        rows = tuple(((escape(row),), *(blocks[row, column] for column in names)) for row in names)
        return (Grid("Hessian", ("", *map(escape, names)), rows),)
    pairs = tuple(((escape(row),), (escape(column),), block) for (row, column), block in blocks.items())
    return (Grid("Hessian", ("row", "column", "block"), pairs),)


def grids_of_disputed_blocks(blocks: dict[str, dict[str, Derivative]]) -> tuple[Grid, ...]:
    """Return the grid of those blocks of a Hessian on which the two sides do not agree."""
    found = [(row, column, block) for row, line in blocks.items() for column, block in line.items()]
    disputed = [(row, column, block) for row, column, block in found if fails(block.verdict)]
    if not disputed:
        return ()
    rows = tuple(
        (
            (f"{escape(row)}, {escape(column)}",),
            tensor_lines(block.value, FULL),
            _symbolic(block),
            block.verdict or ("",),
        )
        for row, column, block in disputed
    )
    return (Grid("Blocks that differ", ("block", "PyTorch", "symbolic", "verdict"), rows),)


def _symbolic(block: Derivative) -> Lines:
    return ("",) if block.symbolic is None else tensor_lines(block.symbolic.value, FULL)


def grids_of_symmetry(symmetry: Symmetry) -> tuple[Grid, ...]:
    """Return a sentence on a Hessian's symmetry."""
    if symmetry.max_abs_error == 0:
        words = "symmetric, to the last bit"
    else:
        words = "symmetric but for rounding" if symmetry.symmetric else "not symmetric"
        words += f": H and its transpose differ by {short(symmetry.max_abs_error)} at most"
    return (Grid("Symmetry", (), (), (words,)),)


def grids_of_method(method: str) -> tuple[Grid, ...]:
    """Return a sentence on what of PyTorch was used, where that is not what the command is named after."""
    return (Grid("Method", (), (), (escape(method),)),) if " " in method else ()


def _sentences(note: str | None) -> Lines:
    return (escape(" ".join(note.split())),) if note else ()
