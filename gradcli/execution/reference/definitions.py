"""The definitions of ops: as programs, for complex numbers, and the operands that they are applied to."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from gradcli.errors import NotSupportedError
from gradcli.execution.reference.nodes import NODES, nodes_in
from gradcli.language.parser import parse
from gradcli.language.program import Program
from gradcli.ops.record import Op


@lru_cache(maxsize=1024)
def definition(text: str) -> Program:
    """Return a composite op's definition, parsed."""
    return parse(text, definition=True)


def defined(op: Op) -> Op:
    """Return an op as it is defined where an argument is complex; NotSupportedError if it is one of real numbers."""
    found = op.of_complex_numbers()
    if found is None:
        msg = f"{op.name} is defined for real numbers only, so nothing is said about complex ones"
        raise NotSupportedError(msg)
    return found


def operands_of(bound: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an op's tensor operands by name, and its other arguments; those in a list get names of their own."""
    found: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, value in bound.items():
        if isinstance(value, NODES):
            found[name] = value
        elif nodes := nodes_in(value):
            found |= {f"operand{position}": node for position, node in enumerate(nodes)}
        else:
            rest[name] = value
    return found, rest
