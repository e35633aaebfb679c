"""Autograd's graph as data: its nodes, what each passes gradients to, and the tensors that it saves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.autograd.saved_tensors import Kept, kept_by, makers, node_of
from gradcli.execution.forward.addresses import address_of
from gradcli.execution.forward.followed import Followed, actual, edge_of
from gradcli.execution.forward.graph import age, reachable
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.report.graph import BackwardNode, Edge, Saved


@dataclass(frozen=True, slots=True)
class BackwardGraph:
    """The nodes in the order in which a backward pass may run them, and the tensors that they are the nodes of."""

    nodes: tuple[BackwardNode, ...]
    of_tensors: Mapping[TracedTensor, int]
    """A tensor -> the id of its grad_fn, or of the AccumulateGrad of a leaf."""


def backward_graph(trace: Trace, names: Mapping[TracedTensor, str]) -> BackwardGraph:
    """Return autograd's graph of the output, before a backward pass frees what its nodes save."""
    edges = {traced: edge for traced in names if (edge := place_in_graph(traced)) is not None}
    # The last made first; what accumulates a leaf's gradient runs whenever that is complete, and stands last here.
    nodes = sorted(reachable([node_of(trace.output)]), key=partial(_turn, [edge[0] for edge in edges.values()]))
    ids = {node: number for number, node in enumerate(nodes)}
    made_for = makers(trace, names) | {edge[0]: names[traced] for traced, edge in edges.items()}
    shown = [traced for traced in names if traced not in trace.hidden]
    known = _Known({edge: names[t] for t, edge in edges.items()}, {memory_of(t.tensor): names[t] for t in shown})
    found = tuple(
        BackwardNode(ids[node], _called(node), made_for.get(node), tuple(_next(node, ids)), tuple(_saved(node, known)))
        for node in nodes
    )
    return BackwardGraph(found, {traced: ids[edge[0]] for traced, edge in edges.items() if edge[0] in ids})


@dataclass(frozen=True, slots=True)
class _Known:
    """What the program's tensors are called: by where autograd knows them, and by the memory that they lie in."""

    edges: Mapping[tuple[Any, int], str]
    memory: Mapping[tuple[Any, ...], str]

    def name_of(self, tensor: Tensor) -> str | None:
        """Return what the program calls a tensor; None if it has no name for it."""
        edge = edge_of(tensor) if tensor.requires_grad else None
        if edge is not None:
            return self.edges.get((edge.node, edge.output_nr))
        return self.memory.get(memory_of(tensor))


def place_in_graph(traced: TracedTensor) -> tuple[Any, int] | None:
    """Return where autograd knows a tensor: the node, and the number of its input; None of a constant."""
    edge = traced.edge
    if edge is None and not isinstance(traced, Followed) and traced.tensor.requires_grad:
        edge = edge_of(actual(traced))
    return None if edge is None else (edge.node, edge.output_nr)


def _turn(order: Sequence[Any], node: Any) -> tuple[bool, int]:
    """Return what sorts nodes by when they run; of those that accumulate gradients, by the order of the leaves."""
    is_leaf = hasattr(node, "variable")
    return is_leaf, order.index(node) if is_leaf and node in order else -age(node)


def _called(node: Any) -> str:
    """Return a node's name as it is printed: without the namespace of C++."""
    name: str = node.name()
    return name.rpartition("::")[2]


def memory_of(tensor: Tensor) -> tuple[Any, ...]:
    """Return what tells one tensor's memory from another's."""
    if not tensor.numel():
        return (id(tensor),)
    strides = tensor.stride() if tensor.layout is torch.strided else ()  # a sparse one lies in several
    return address_of(tensor), tuple(tensor.shape), strides, tensor.dtype


def _next(node: Any, ids: Mapping[Any, int]) -> Iterator[Edge | None]:
    for following, place in node.next_functions:
        yield None if following is None else Edge(ids[following], place)


def _saved(node: Any, known: _Known) -> Iterator[Saved]:
    for kept in kept_by(node):
        tensor, name = kept.tensor, _name(kept)
        if tensor is None:
            yield Saved(name, None, None, None)
        else:
            yield Saved(name, known.name_of(tensor), tuple(tensor.shape), tensor._version)  # noqa: SLF001 (its only name)


def _name(kept: Kept) -> str:
    return kept.name if kept.place is None else f"{kept.name}[{kept.place}]"
