"""Index letters in code: where each goes along an axis of its own, and between which ends it lies."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from gradcli.errors import NotSupportedError


@dataclass(frozen=True, slots=True)
class Letter:
    """An index."""

    code: str
    """The name of the array that holds its values."""
    low: int
    """The least of them."""
    high: int
    """The greatest."""


def span(node: ast.expr, letters: Mapping[str, Letter]) -> tuple[int, int]:
    """Return the least and the greatest value of an index expression."""
    match node:
        case ast.Constant(value=int(number)):
            return number, number
        case ast.Name(id=name) if name in letters:
            return letters[name].low, letters[name].high
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            low, high = span(inner, letters)
            return -high, -low
        case ast.BinOp(left=left, op=operator, right=right):
            return _combined(operator, span(left, letters), span(right, letters))
    raise NotSupportedError(f"an index is `{ast.unparse(node)}`")


def _combined(operator: ast.operator, left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    ends: list[int]
    match operator:
        case ast.Add():
            ends = [left[0] + right[0], left[1] + right[1]]
        case ast.Sub():
            ends = [left[0] - right[1], left[1] - right[0]]
        case ast.Mult():
            ends = [one * other for one in left for other in right]
        case ast.FloorDiv() if right[0] == right[1] != 0:
            ends = [one // right[0] for one in left]
        case _:
            raise NotSupportedError("an index is neither a sum nor a multiple")
    return min(ends), max(ends)
