"""What of a tape formulas may lead through, and whether that is little enough."""

from __future__ import annotations

from gradcli.execution.formulas.operands import made_of
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.nodes import Node, nodes_in, parts

MOST_NODES = 40


def is_small(decomposition: Decomposition) -> bool:
    """Tell whether few enough nodes lead to the output; one that is not reached has no formula to write."""
    reached: set[Node] = set()
    waiting = [decomposition.nodes[decomposition.trace.output]]
    while waiting and len(reached) <= MOST_NODES:
        node = waiting.pop()
        if node.edges and node not in reached:
            reached.add(node)
            waiting += [edge.source for edge in node.edges]
    return len(reached) <= MOST_NODES


def read_by(decomposition: Decomposition) -> set[Node]:
    """Return the nodes that formulas may lead through: what the output is made of, constants included."""
    known = decomposition.nodes
    calls = {part: group.call for group in decomposition.calls for part in decomposition.parts(group.call.outputs)}
    read: set[Node] = set()
    waiting = [*parts(known[decomposition.trace.output])]
    while waiting:
        node = waiting.pop()
        if node not in read:
            read.add(node)
            given = [known[traced] for traced in calls[node].inputs if traced in known] if node in calls else []
            origin = made_of(node)
            made = [*nodes_in(() if origin is None else origin[1]), *given]
            waiting += [*node.sources, *(part for one in made for part in parts(one))]
    return read
