"""Nodes of the tape and the edges between them; a complex value is a pair of real nodes.

So every derivative beneath is one of real functions. The gradient of a real number L with respect to z is
dL/dRe z + i dL/dIm z, PyTorch's convention: the adjoints of the two nodes are its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest
from gradcli.execution.forward import tree
from gradcli.execution.reference.layout import AxisView, Layout
from gradcli.execution.reference.systems.solve import LastSystem


@dataclass(frozen=True, slots=True)
class Edge:
    """One differentiable operand of a node: which derivative to use, on which tensors, and how to show them to it."""

    source: Node
    request: DerivativeRequest
    name: str
    layout: Layout
    operands: dict[str, Tensor]
    supports: Mapping[str, Callable[[], Tensor]] = field(default_factory=dict)
    """Where an operand is not a structural zero, for those that have any: a definition's own mask, a margin of 0."""
    last_system: LastSystem = field(default_factory=LastSystem)
    """What solves the adjoint's system, if there is one; the edges of a tape have it in common."""


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
    support: Callable[[], Tensor] | None = None
    """Where it is not a structural zero; None for everywhere."""
    of_parts: Any = field(default=None)
    """The op and the operands that made it, where there are parts of complex values among them, or it is one."""

    @property
    def sources(self) -> Iterator[Node]:
        """Yield the nodes that this one depends on."""
        yield from (edge.source for edge in self.edges)
        yield from self.blocked

    def __repr__(self) -> str:
        """Return a short description."""
        return f"Node({tuple(self.tensor.shape)}, {len(self.edges)} edges)"


def nodes_in(value: Any) -> list[Any]:
    """Return the nodes in a nested structure of arguments, in order; a complex value is one."""
    return [leaf for leaf in tree.leaves(value) if isinstance(leaf, NODES)]


def plain(value: Any) -> Any:
    """Return nested arguments with every node replaced by its tensor."""
    return tree.map(lambda leaf: leaf.tensor if isinstance(leaf, NODES) else leaf, value)


PARTS = ("real", "imag")


@dataclass(slots=True, eq=False)
class ComplexNode:
    """A complex value on the tape: its tensor, and the real nodes of both its parts."""

    tensor: Tensor
    real: Node
    imag: Node
    made_by: Any = None
    """The op that made it, and of what."""

    @property
    def origin(self) -> None:
        """No formula is written of a complex value."""

    @property
    def differentiable(self) -> bool:
        """Return whether a gradient reaches one of the parts."""
        return self.real.differentiable or self.imag.differentiable

    @differentiable.setter
    def differentiable(self, value: bool) -> None:
        self.real.differentiable = self.imag.differentiable = value


# As tuples: to make a union of types takes longer than to ask for it.
NODES, COMPLEX = (Node, ComplexNode), (complex, ComplexNode)


def paired(tensor: Tensor, node: Callable[[Tensor, str], Node]) -> ComplexNode:
    """Return a complex tensor as two nodes, which `node` makes of a real tensor and the name of the part."""
    whole = torch.view_as_real(tensor.resolve_conj())
    real, imag = (node(part.contiguous(), name) for part, name in zip(whole.unbind(-1), PARTS, strict=True))
    return ComplexNode(tensor, real, imag)


def parts(value: Node | ComplexNode) -> tuple[Node, ...]:
    """Return the real nodes that a value consists of."""
    return (value.real, value.imag) if isinstance(value, ComplexNode) else (value,)


def joined(value: Node | ComplexNode, known: Mapping[Node, Tensor]) -> Tensor | None:
    """Return what is known of a value's nodes as one tensor, 0 for a part that is not known; None if nothing is."""
    if not isinstance(value, ComplexNode):
        return known.get(value)
    if value.real not in known and value.imag not in known:
        return None
    real, imag = (known.get(node, torch.zeros_like(node.tensor)) for node in parts(value))
    return torch.complex(real, imag)


def split(tensor: Tensor) -> tuple[Tensor, ...]:
    """Return the parts of a complex tensor; a real one as it is."""
    return torch.view_as_real(tensor.resolve_conj()).unbind(-1) if tensor.is_complex() else (tensor,)


def real_operands(operands: Mapping[str, Node | ComplexNode], shown: Layout) -> tuple[dict[str, Node], Layout]:
    """Return operands with each complex `z` taken apart as `z.real` and `z.imag`, and how they are presented."""
    found = {name: node for name, node in operands.items() if isinstance(node, Node)}
    if len(found) == len(operands):
        return found, shown
    found, views, axes = {}, dict[str, AxisView](), dict[str, str]()
    for name, node in operands.items():
        names = [f"{name}.{part}" for part in PARTS] if isinstance(node, ComplexNode) else [name]
        found |= dict(zip(names, parts(node), strict=True))
        views |= dict.fromkeys(names, shown.views[name])
        axes |= dict.fromkeys(names, shown.axes[name])
    return found, replace(shown, views=shown.views | views, axes=axes)
