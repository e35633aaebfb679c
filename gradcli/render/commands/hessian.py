"""What only `hessian` reports: the Hessian, the blocks that differ from the symbolic one, and its symmetry."""

from __future__ import annotations

import math
from typing import Any

from gradcli.escaping import escape
from gradcli.render import formulas
from gradcli.render.grid import Grid, Lines
from gradcli.render.numbers import FULL_MATRIX, WIDEST_ROW, matrix_lines, short, tensor_lines
from gradcli.render.presentation import Presentation
from gradcli.report.derivative import Derivative
from gradcli.report.hessian import HessianDetails, Symmetry
from gradcli.report.verdict import fails

# A Hessian is shown as a table of blocks where its rows are no wider than this.
WIDEST = 76
GAP = 2


def grids(details: HessianDetails) -> tuple[Grid, ...]:
    """Return the grids: the Hessian, the blocks that differ, how symmetric it is, and what could not be called."""
    return (
        _hessian(details.hessian),
        *_formulas(details.formulas or {}),
        *_disputed(details.symbolic_hessian or {}),
        _symmetry(details.symmetry),
        *method_grid(details.method),
    )


def _hessian(hessian: dict[str, dict[str, Any]]) -> Grid:
    """Return the grid of a Hessian: a table of blocks, or a list of them where that would be too wide."""
    names = list(hessian)
    entries = {name: math.prod(hessian[name][name].shape[: len(hessian[name][name].shape) // 2]) for name in names}
    room = WIDEST - GAP - len(names[0]) if len(names) == 1 else WIDEST_ROW
    blocks = {
        (row, column): matrix_lines(hessian[row][column], entries[column], room) for row in names for column in names
    }
    widths = [max(len(line) for row in names for line in (column, *blocks[row, column])) for column in names]
    if max(map(len, names)) + sum(widths) + GAP * len(names) <= WIDEST:
        rows = tuple(((escape(row),), *(blocks[row, column] for column in names)) for row in names)
        return Grid("Hessian", ("", *map(escape, names)), rows)
    pairs = tuple(((escape(row),), (escape(column),), block) for (row, column), block in blocks.items())
    return Grid("Hessian", ("row", "column", "block"), pairs)


def _formulas(blocks: dict[str, dict[str, str]]) -> tuple[Grid, ...]:
    """Return the grid of the formulas of blocks."""
    rows = [
        ((escape(f"∂²/∂{row}²" if row == column else f"∂²/∂{row}∂{column}"),), (formulas.second(text),))
        for row, line in blocks.items()
        for column, text in line.items()
    ]
    return (Grid("Formulas", (), tuple(rows)),) if rows else ()


def _disputed(blocks: dict[str, dict[str, Derivative]]) -> tuple[Grid, ...]:
    """Return the grid of those blocks of a Hessian on which the two sides do not agree."""
    found = [(row, column, block) for row, line in blocks.items() for column, block in line.items()]
    disputed = [(row, column, block) for row, column, block in found if fails(block.verdict)]
    if not disputed:
        return ()
    rows = tuple(
        (
            (f"{escape(row)}, {escape(column)}",),
            tensor_lines(block.value, FULL_MATRIX),
            _symbolic(block),
            block.verdict or ("",),
        )
        for row, column, block in disputed
    )
    return (Grid("Blocks that differ", ("block", "PyTorch", "symbolic", "verdict"), rows),)


def _symbolic(block: Derivative) -> Lines:
    return ("",) if block.symbolic is None else tensor_lines(block.symbolic.value, FULL_MATRIX)


def _symmetry(symmetry: Symmetry) -> Grid:
    """Return a sentence on a Hessian's symmetry."""
    if math.isnan(symmetry.max_abs_error):
        words = "no entry that is NaN is equal to any other: whether H is symmetric cannot be said"
    elif symmetry.max_abs_error == 0:
        words = "symmetric, to the last bit"
    else:
        words = "symmetric but for rounding" if symmetry.symmetric else "not symmetric"
        words += f": H and its transpose differ by {short(symmetry.max_abs_error)} at most"
    return Grid("Symmetry", (), (), (words,))


def method_grid(method: str) -> tuple[Grid, ...]:
    """Return a sentence on what of PyTorch was used, where that is not what the command is named after."""
    return (Grid("Method", (), (), (escape(method),)),) if " " in method else ()


PRESENTATION = Presentation(grids, shows_gradient=False)
