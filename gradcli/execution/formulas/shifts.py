"""Maxima by which definitions shift exponentials, to keep them in range: no value depends on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.nodes import Node, nodes_in

# What no shift is for: values are compared with it.
COMPARED = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})


def shifts(decomposition: Decomposition) -> frozenset[Node]:
    """Return the nodes that are such maxima."""
    nodes = decomposition.tape.nodes
    made = {decomposition.nodes[output] for group in decomposition.calls for output in group.call.outputs}
    others = made | compared(decomposition)
    return frozenset(node for node in nodes if _is_shift(node) and node not in others)


def compared(decomposition: Decomposition) -> frozenset[Node]:
    """Return the nodes that definitions compare with values."""
    return frozenset(
        one
        for node in decomposition.tape.nodes
        if node.origin is not None and node.origin[0].name in COMPARED
        for one in nodes_in(node.origin[1])
    )


def _is_shift(node: Node) -> bool:
    if node.edges or node.origin is None:
        return False
    op, bound = node.origin
    return bool(op.name == "amax" and _are_detached(bound))


def _are_detached(arguments: Mapping[str, Any]) -> bool:
    return all(node.origin is not None and node.origin[0].name == "detach" for node in nodes_in(arguments))
