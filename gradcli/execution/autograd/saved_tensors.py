"""The life of a graph: which nodes save tensors, what a backward pass frees, and what a second one then meets.

The backward pass frees the saved tensors of every node that it runs. A second pass runs the same nodes, the last made
first, and fails at the first one that saved a tensor; numbers, sizes and flags that a node keeps are not freed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradcli.execution.forward import tree
from gradcli.execution.forward.followed import Followed
from gradcli.execution.forward.graph import age, reachable
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.report.double_backward import Saving

SAVED = "_saved_"


def saving_nodes(trace: Trace, names: Mapping[TracedTensor, str]) -> tuple[Saving, ...]:
    """Return the nodes of the output's graph that save tensors, in the order in which a backward pass runs them."""
    output: TracedTensor = trace.output
    made_by = _makers(trace, names)
    nodes = sorted(reachable([_node(output)]), key=age, reverse=True)
    found = [(node, saved_tensors(node)) for node in nodes]
    return tuple(Saving(node.name(), made_by.get(node, ""), saved) for node, saved in found if saved)


def saved_tensors(node: Any) -> tuple[str, ...]:
    """Return the names of the tensors that a node saves for its backward, as PyTorch calls them."""
    names = (name for name in dir(node) if name.startswith(SAVED))
    return tuple(name.removeprefix(SAVED) for name in names if tree.tensors(getattr(node, name)))


def _makers(trace: Trace, names: Mapping[TracedTensor, str]) -> dict[Any, str]:
    """Return the tensor that each node was made for: an op may make several nodes, all for its result."""
    found: dict[Any, str] = {}
    for call in trace.calls:
        for traced in call.outputs:
            if _node(traced) is not None:
                found |= dict.fromkeys(reachable([_node(traced)], found), names[traced])
    return found


def _node(traced: TracedTensor) -> Any:
    """Return the node that made a tensor."""
    if isinstance(traced, Followed):
        return None if traced.edge is None else traced.edge.node
    return traced.tensor.grad_fn
