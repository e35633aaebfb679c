"""What the nodes of a tape are made of, and what formulas call them; those of a complex value are a pair."""

from __future__ import annotations

from typing import Any

from gradcli.execution.reference.nodes import ComplexNode, Node
from gradcli.ops.record import Kind

# What adds entries up at places.
SUMMED_INTO = "_summed_into"


def made_of(node: Node) -> Any:
    """Return the op and the operands that a node is made of, complex ones among them; None where there are none."""
    return node.origin if node.of_parts is None else node.of_parts


def is_moved(node: Node) -> bool:
    """Tell whether a node's entries are others', which an op moved, or added up."""
    if not node.edges or made_of(node) is None:
        return False
    op, _ = made_of(node)
    return bool(op.kind is Kind.MOVEMENT or op.name == SUMMED_INTO)


def named(value: Node | ComplexNode, name: str) -> list[tuple[Node, str]]:
    """Return the nodes of a value, each with what it is called."""
    if isinstance(value, Node):
        return [(value, name)]
    return [(value.real, f"real({name})"), (value.imag, f"imag({name})")]
