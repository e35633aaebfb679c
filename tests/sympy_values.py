"""SymPy's code of derivatives, run: every entry's number."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import sympy
import torch
from torch import Tensor

HEAD = re.compile(r"# by (.*?)(?:, at \[(.*)\])?")


def sympy_entries(text: str, leaves: Mapping[str, Tensor], shapes: Sequence[Sequence[int]]) -> list[Tensor]:
    """Return the values of all derivatives in a text, each in its shape."""
    first, *blocks = re.split(r"^(?=# by )", text, flags=re.MULTILINE)
    space: dict[str, Any] = {}
    exec(first, space)  # noqa: S102 (what is tested)
    return [_entries(block, space, leaves, shape) for block, shape in zip(blocks, shapes, strict=True)]


def _entries(block: str, space: dict[str, Any], leaves: Mapping[str, Tensor], shape: Sequence[int]) -> Tensor:
    head, *code = block.strip().splitlines()
    match = HEAD.fullmatch(head)
    assert match, head
    letters = match[2].split(", ") if match[2] else []
    assert len(letters) in {0, len(shape)}, head
    expression = sympy.sympify(eval("\n".join(code), space))  # noqa: S307 (what is tested)
    found = torch.empty(tuple(shape), dtype=torch.float64)
    for place in itertools.product(*map(range, shape)):
        own = {space[letter]: at for letter, at in zip(letters, place, strict=bool(letters)) if letter != "0"}
        found[place] = float(_number(expression.subs(own), leaves))
    return found


def _number(expression: Any, leaves: Mapping[str, Tensor]) -> Any:
    """Return an expression in which every entry that is read, and every number, has its value."""
    expression = _summed(expression)
    reads = {one: _read(one, leaves) for one in expression.atoms(sympy.Indexed)}
    rest = expression.xreplace(reads)
    return rest.subs({one: leaves[one.name].item() for one in rest.free_symbols if one.name in leaves}).evalf()


def _read(entry: sympy.Indexed, leaves: Mapping[str, Tensor]) -> sympy.Float:
    return sympy.Float(leaves[str(entry.base.label)][tuple(map(int, entry.indices))].item())


def _summed(expression: Any) -> Any:
    """Return an expression with its sums written out, the outer ones first, so that all their ends are numbers."""
    if isinstance(expression, sympy.Sum):
        *inner, (letter, low, high) = expression.limits
        body = expression.func(expression.function, *inner) if inner else expression.function
        return sympy.Add(*(_summed(body.subs(letter, at)) for at in range(int(low), int(high) + 1)))
    if not expression.has(sympy.Sum):
        return expression
    return expression.func(*map(_summed, expression.args))
