"""Whether a program decides which of its calls to make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from gradcli.language.program import BooleanOperation, Conditional, If, Program, Try, While

DECIDING = (BooleanOperation, Conditional, If, Try, While)


def may_branch(program: Program) -> bool:
    """Return whether a program has a condition of Python's anywhere, be it on a constant."""
    return any(isinstance(node, DECIDING) for statement in program.statements for node in _walk(statement))


def _walk(node: Any) -> Iterator[Any]:
    """Yield a node, and all nodes inside of it."""
    if isinstance(node, tuple | list):
        for one in node:
            yield from _walk(one)
    elif is_dataclass(node) and not isinstance(node, type):
        yield node
        for field in fields(node):
            yield from _walk(getattr(node, field.name))
