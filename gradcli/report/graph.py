"""What only `graph` reports: the forward graph, and autograd's own beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradcli.report.records import optional


@dataclass(frozen=True, slots=True)
class ForwardNode:
    """A tensor of the forward graph, and the operation that made it: `op` is null for a leaf.

    `operands` are the names of the tensors that the operation was given, each once. `node` is the `id` of the node that
    autograd knows the tensor by: its `grad_fn`, or the AccumulateGrad of a leaf; null for a constant, and for what the
    output's gradient does not come to. `value` is there only for a tensor that is not among `tensors`.
    """

    name: str
    kind: str  # "leaf" or "non-leaf"
    op: str | None
    text: str
    operands: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    requires_grad: bool
    node: int | None
    value: Any | None = optional()
    source: str | None = optional()  # the line of code that made it, as "model.py:14"
    module: str | None = optional()  # whose parameter it is, or in whose forward it was made


@dataclass(frozen=True, slots=True)
class Edge:
    """One of `next_functions`: the node that a gradient is passed to, and as which of that node's inputs."""

    node: int
    input: int


@dataclass(frozen=True, slots=True)
class Saved:
    """A tensor that a node keeps for its backward, under PyTorch's name for it: `self`, `other`, `result`.

    `tensor` is what the program calls it, null for one that PyTorch made on the way. `version` is that of its memory
    when it was saved: it counts the writes in place before. A tensor that a hook has packed (as
    `torch.utils.checkpoint` does) is told by its name alone.
    """

    name: str
    tensor: str | None
    shape: tuple[int, ...] | None
    version: int | None


@dataclass(frozen=True, slots=True)
class BackwardNode:
    """A node of autograd's graph; `tensor` is the one it was made for: an operation may make several nodes.

    `next` are its `next_functions`, null for an operand that gets no gradient.
    """

    id: int
    grad_fn: str
    tensor: str | None
    next: tuple[Edge | None, ...]
    saves: tuple[Saved, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """The forward graph, leaves first, and autograd's graph in the order in which a backward pass runs it."""

    forward: tuple[ForwardNode, ...]
    backward: tuple[BackwardNode, ...]


@dataclass(frozen=True, slots=True)
class GraphDetails:
    """What `graph` adds to the report."""

    graph: Graph
