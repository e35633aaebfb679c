"""Entries of inverse matrices: their values, and that the inverse of a transpose is the transpose of the inverse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from gradcli.symbolic.prove.polynomials import Quotient, UndefinedError
from gradcli.symbolic.prove.unknowns import Unknowns


def entry(unknowns: Unknowns, row: Quotient, column: Quotient, *matrix: Quotient) -> Quotient:
    """Return an entry of an inverse: an unknown, unless all of the matrix is numbers."""
    numbers = [value.constant for value in matrix]
    i, j = _place(row), _place(column)
    if None not in numbers:
        try:
            return Quotient.number(inverted(tuple(numbers))[i][j])
        except ZeroDivisionError:
            raise UndefinedError from None
    known = unknowns.known(f"inverse {j} {i}", *transposed(matrix))
    return unknowns.value(f"inverse {i} {j}", *matrix) if known is None else known


def number(row: Any, column: Any, *matrix: Any) -> Any:
    """Return an entry of the inverse of a matrix of numbers; ZeroDivisionError where there is none."""
    return inverted(tuple(matrix))[int(row)][int(column)]


def transposed(matrix: Sequence[Any]) -> list[Any]:
    """Return the entries of a square matrix in the order of its transpose."""
    size = math.isqrt(len(matrix))
    return [matrix[j * size + i] for i in range(size) for j in range(size)]


@lru_cache(maxsize=256)
def inverted(matrix: tuple[Any, ...]) -> list[list[Any]]:
    """Return the inverse of a square matrix by elimination, with the largest entry of each column as its pivot."""
    size = math.isqrt(len(matrix))
    rows = [[*matrix[i * size : (i + 1) * size], *(int(i == j) for j in range(size))] for i in range(size)]
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(rows[row][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        if not rows[column][column]:
            raise ZeroDivisionError
        rows[column] = [value / rows[column][column] for value in rows[column]]
        rows = [row if place == column else _less(row, rows[column], row[column]) for place, row in enumerate(rows)]
    return [row[size:] for row in rows]


def _less(row: Sequence[Any], other: Sequence[Any], factor: Any) -> list[Any]:
    return [a - factor * b for a, b in zip(row, other, strict=True)]


def _place(value: Quotient) -> int:
    return int(value.constant or Fraction(0))
