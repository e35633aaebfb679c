"""What the nodes of a tape are made of, and what formulas call them; those of a complex value are a pair."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import torch

from gradcli.derivation.moves import AffineIndex
from gradcli.execution.formulas.affine import decode
from gradcli.execution.forward.callables import function
from gradcli.execution.reference.nodes import ComplexNode, Node, nodes_in
from gradcli.ops.record import Kind

# What adds entries up at places.
SUMMED_INTO = "_summed_into"
# What puts a tensor's entries in another order, or along other axes.
REARRANGED = frozenset({"mT", "getitem", "unsqueeze", "reshape"})


def made_of(node: Node) -> Any:
    """Return the op and the operands that a node is made of, complex ones among them; None where there are none."""
    return node.origin if node.of_parts is None else node.of_parts


@dataclass(frozen=True, slots=True)
class Reading:
    """A constant whose entries are those of another value."""

    source: Node
    indices: tuple[AffineIndex, ...]
    """Which of them, an index along each axis of the source."""
    is_held: bool = False
    """Whether it is that value, held constant."""


def read_by_constant(node: Node, known: Container[Node]) -> Reading | None:
    """Return how a constant reads what it was made of, all of it, a node that is `known`; None of any other node."""
    if node.edges or node.origin is None or not isinstance(source := node.origin[1].get("input"), Node):
        return None
    if source not in known:  # it stands for several tensors
        return None
    if node.origin[0].name == "detach":
        return Reading(source, tuple(AffineIndex(0, 1, axis) for axis in range(node.tensor.ndim)), is_held=True)
    if node.origin[0].name not in REARRANGED or len(nodes_in(node.origin[1])) > 1:
        return None
    indices = _rearranged(node, source.tensor.shape)
    return None if indices is None else Reading(source, indices)


def _rearranged(node: Node, shape: torch.Size) -> tuple[AffineIndex, ...] | None:
    op, bound = node.origin
    places = torch.arange(shape.numel()).reshape(shape)
    made = function(op.torch)(places, *[value for name, value in bound.items() if name != "input"])
    return decode(made.reshape(-1), tuple(made.shape), tuple(shape)) if made.numel() == places.numel() else None


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
