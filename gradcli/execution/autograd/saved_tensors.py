"""The life of a graph: which nodes save tensors, what a backward pass frees, and what a second one then meets.

The backward pass frees the saved tensors of every node that it runs. A second pass runs the same nodes, the last made
first, and fails at the first one that saved a tensor; numbers, sizes and flags that a node keeps are not freed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gradcli.execution.forward.followed import Followed
from gradcli.execution.forward.graph import age, reachable
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.report.double_backward import Saving

# The attributes of a node that hold what it saves, as it is kept and as it is handed out; of a Function's node, one.
KEPT, SAVED = "_raw_saved_", "_saved_"
OF_FUNCTION = "saved_tensors"


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A tensor that a node saves for its backward, under PyTorch's name for it; one of several has its place in that.

    `tensor` is None where it cannot be looked at without a change: a hook has packed it, or it was written to since.
    """

    name: str
    place: int | None
    tensor: Tensor | None


def saving_nodes(trace: Trace, names: Mapping[TracedTensor, str]) -> tuple[Saving, ...]:
    """Return the nodes of the output's graph that save tensors, in the order in which a backward pass runs them."""
    made_for = makers(trace, names)
    nodes = sorted(reachable([node_of(trace.output)]), key=age, reverse=True)
    found = [(node, tuple(dict.fromkeys(kept.name for kept in kept_by(node)))) for node in nodes]
    return tuple(Saving(node.name(), made_for.get(node, ""), saved) for node, saved in found if saved)


def kept_by(node: Any) -> Iterator[Kept]:
    """Yield the tensors that a node saves for its backward; sizes and numbers that it keeps are none."""
    for attribute in dir(node):
        if attribute.startswith(KEPT):
            name = attribute.removeprefix(KEPT)
            handed_out = SAVED + name if hasattr(type(node), SAVED + name) else OF_FUNCTION
            yield from _kept(node, handed_out, getattr(node, attribute))


def _kept(node: Any, attribute: str, kept: Any) -> Iterator[Kept]:
    several = kept if isinstance(kept, tuple) else (kept,)
    name = attribute.removeprefix(SAVED)
    found = _handed_out(node, attribute, several)
    for place, tensor in enumerate(several if found is None else found):
        if found is None or tensor is not None:  # None: an operand whose gradient nothing asks for
            yield Kept(name, place if isinstance(kept, tuple) else None, tensor if found is not None else None)


def _handed_out(node: Any, attribute: str, kept: Sequence[Any]) -> Sequence[Tensor | None] | None:
    """Return what a node hands out; None where that has an effect, as a checkpoint's second forward, or is an error."""
    if any(getattr(one, "unpack_hook", None) is not None for one in kept):
        return None
    try:
        found = getattr(node, attribute)
    except RuntimeError:  # it was written to since: so backward will say
        return None
    return found if isinstance(found, tuple) else (found,)


def makers(trace: Trace, names: Mapping[TracedTensor, str]) -> dict[Any, str]:
    """Return the tensor that each node was made for: an op may make several nodes, all for its result."""
    found: dict[Any, str] = {}
    for call in trace.calls:
        for traced in call.outputs:
            if node_of(traced) is not None:
                found |= dict.fromkeys(reachable([node_of(traced)], found), names[traced])
    return found


def node_of(traced: TracedTensor) -> Any:
    """Return the node that made a tensor."""
    if isinstance(traced, Followed):
        return None if traced.edge is None else traced.edge.node
    return traced.tensor.grad_fn
