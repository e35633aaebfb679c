"""Tensors as maps of their entries: a matrix of numbers that is no larger than a picture, and its shades as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradcli.render.grid import Lines
from gradcli.report.report import Report, TensorReport

Matrix = list[list[float]]
SHADES = " .,-=+*#%@"  # no colons: two at the start of a line are a command to CI services


@dataclass(frozen=True, slots=True)
class Map:
    """One map: what it is of, and its numbers; `blocks` says that each is the mean, or the largest, of several."""

    title: str
    numbers: Matrix
    blocks: bool = False


def maps_of(tensor: TensorReport, rows: int, columns: int) -> list[Map]:
    """Return the maps of a tensor: its entries, their gradients, and how far those are from the symbolic ones."""
    found = [_map("value", tensor.value, rows, columns)]
    if tensor.gradient is not None:
        found.append(_map("gradient", tensor.gradient, rows, columns))
        symbolic = None if tensor.symbolic is None else tensor.symbolic.value
        if symbolic is not None and tuple(symbolic.shape) == tuple(tensor.gradient.shape):
            error = (tensor.gradient.detach() - symbolic.to(tensor.gradient.dtype)).abs()
            found.append(_map("error", error, rows, columns, largest=True))
    return found


def drawn(report: Report, names: Sequence[str]) -> list[TensorReport]:
    """Return the tensors of these names that have entries."""
    return [tensor for tensor in report.tensors if tensor.name in names and 0 not in tensor.shape]


def _map(title: str, tensor: Any, rows: int, columns: int, *, largest: bool = False) -> Map:
    width = tensor.shape[-1] if len(tensor.shape) else 1
    entries = tensor.detach()
    entries = (entries.abs() if entries.is_complex() else entries).double().reshape(-1, width)
    height = entries.shape[0]
    if height <= rows and width <= columns:
        return Map(title, entries.tolist())
    bands = entries.tensor_split(min(rows, height), 0)
    cells = [band.tensor_split(min(columns, width), 1) for band in bands]
    return Map(title, [[float(c.max() if largest else c.mean()) for c in band] for band in cells], blocks=True)


def extremes(numbers: Matrix) -> tuple[float, float]:
    """Return the smallest and the largest of the finite numbers; 0 twice where there is none."""
    finite = [number for row in numbers for number in row if math.isfinite(number)]
    return min(finite, default=0.0), max(finite, default=0.0)


def shaded(numbers: Matrix) -> Lines:
    """Return a matrix as text, darker for larger numbers, two characters each; `?` for what is not finite."""
    low, high = extremes(numbers)
    return tuple("".join(_shade(number, low, high) * 2 for number in row) for row in numbers)


def _shade(number: float, low: float, high: float) -> str:
    if not math.isfinite(number):
        return "?"
    share = (number / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.0
    return SHADES[round(share * (len(SHADES) - 1))]
