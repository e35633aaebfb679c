"""Nodes of the tape and the edges between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from gradcli.derivation.messages import Signature
from gradcli.execution.complexes import ComplexNode
from gradcli.execution.present import Presented
from gradcli.execution.structures import rebuild


@dataclass(frozen=True, slots=True)
class Edge:
    """One differentiable operand of a node: which derivative to use, on which tensors, and how to show them to it."""

    source: Node
    signature: Signature
    name: str
    presented: Presented
    operands: dict[str, Tensor]


@dataclass(slots=True, eq=False)
class Node:
    """A value on the tape; without edges it is a leaf or a constant.

    `error` says why a value that depends on the nodes in `blocked` has no derivative with respect to them.
    """

    tensor: Tensor
    differentiable: bool
    edges: tuple[Edge, ...] = ()
    kinks: Callable[[], Tensor] | None = None
    origin: Any = field(default=None)
    error: str | None = None
    blocked: tuple[Node, ...] = ()

    @property
    def sources(self) -> Iterator[Node]:
        """Yield the nodes that this one is made of."""
        yield from (edge.source for edge in self.edges)
        yield from self.blocked

    def __repr__(self) -> str:
        """Return a short description."""
        return f"Node({tuple(self.tensor.shape)}, {len(self.edges)} edges)"


def nodes_in(value: Any) -> list[Any]:
    """Return the nodes in a nested structure of arguments, in order; a complex value is one."""
    if isinstance(value, Node | ComplexNode):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [node for item in value for node in nodes_in(item)]
    return []


def plain(value: Any, instead: Mapping[Node | ComplexNode, Tensor] | None = None) -> Any:
    """Return arguments with every node replaced by its tensor, or by the one that `instead` has for it."""
    if isinstance(value, Node | ComplexNode):
        return (instead or {}).get(value, value.tensor)
    if isinstance(value, complex) and instead is not None:
        return 0.0  # what is numbered is real, and this is no entry of it
    if isinstance(value, dict):
        return {name: plain(item, instead) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return rebuild(value, [plain(item, instead) for item in value])
    return value
