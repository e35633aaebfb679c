"""Index letters in code: where each goes along an axis of its own, and between which ends it lies."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from gradcli.errors import NotSupportedError
from gradcli.python_trees import expression_tree


@dataclass(frozen=True, slots=True)
class Letter:
    """An index."""

    code: str
    """The name of the array that holds its values."""
    low: int
    """The least of them."""
    high: int
    """The greatest."""
    stop: str = ""
    """The number after it, as code, where that depends on lengths that have names."""

    @property
    def size(self) -> str:
        """Return how many values there are, as code."""
        if not self.stop:
            return str(self.high - self.low + 1)
        return self.stop if self.low == 0 else f"({self.stop} - {self.low})"


def span(node: ast.expr, letters: Mapping[str, Letter], sizes: Mapping[str, int]) -> tuple[int, int]:
    """Return the least and the greatest value of an index expression; `sizes` are the lengths that have names."""
    match node:
        case ast.Constant(value=int(number)):
            return number, number
        case ast.Name(id=name) if name in sizes:
            return sizes[name], sizes[name]
        case ast.Name(id=name) if name in letters:
            return letters[name].low, letters[name].high
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            low, high = span(inner, letters, sizes)
            return -high, -low
        case ast.BinOp(left=left, op=operator, right=right):
            return _combined(operator, span(left, letters, sizes), span(right, letters, sizes))
    raise NotSupportedError(f"an index is `{ast.unparse(node)}`")


def stop_of(node: ast.expr, letters: Mapping[str, Letter], sizes: Mapping[str, int]) -> str:
    """Return the end of a range as code, for the greatest indices that it depends on; empty for a number."""
    if not any(isinstance(part, ast.Name) and _depends(part.id, letters, sizes) for part in ast.walk(node)):
        return ""
    found = _Greatest(letters).visit(expression_tree(ast.unparse(node)))
    return ast.unparse(_folded(found))


def last_of(stop: ast.expr) -> ast.expr:
    """Return the number before the end of a range."""
    match stop:
        case ast.Constant(value=int(number)):
            return ast.Constant(number - 1)
        case ast.BinOp(left=left, op=ast.Add(), right=ast.Constant(value=1)):
            return left
    return ast.BinOp(stop, ast.Sub(), ast.Constant(1))


def _depends(name: str, letters: Mapping[str, Letter], sizes: Mapping[str, int]) -> bool:
    return name in sizes or (name in letters and bool(letters[name].stop))


class _Greatest(ast.NodeTransformer):
    """Puts the greatest value of each index in its place."""

    def __init__(self, letters: Mapping[str, Letter]) -> None:
        self.letters = letters

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Return the greatest value of an index."""
        known = self.letters.get(node.id)
        if known is None:
            return node
        if not known.stop:
            return ast.Constant(known.high)
        return ast.BinOp(expression_tree(known.stop), ast.Sub(), ast.Constant(1))


def _folded(node: ast.expr) -> ast.expr:
    """Return `n - 1 + 1` as n."""
    match node:
        case ast.BinOp(
            left=ast.BinOp(left=inner, op=ast.Sub(), right=ast.Constant(value=one)),
            op=ast.Add(),
            right=ast.Constant(value=other),
        ) if one == other:
            return inner
    return node


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


def index_code(node: ast.expr, letters: Mapping[str, Letter], sizes: Collection[str]) -> ast.expr:
    """Return the code of a whole number, or of an array of them; NotSupportedError for anything else."""
    match node:
        case ast.Name(id=name) if name in letters:
            return ast.Name(letters[name].code)
        case ast.Name(id=name) if name in sizes:
            return node
        case ast.Constant():
            return node
        case ast.UnaryOp(op=sign, operand=inner):
            return ast.UnaryOp(sign, index_code(inner, letters, sizes))
        case ast.BinOp(left=left, op=operator, right=right):
            return ast.BinOp(index_code(left, letters, sizes), operator, index_code(right, letters, sizes))
    raise NotSupportedError(f"an index is `{ast.unparse(node)}`")
