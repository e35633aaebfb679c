"""The terms of a right gradient and the factors in it, by which a wrong one is explained."""

from __future__ import annotations

import torch
from torch import Tensor

from gradcli.causes import Clues
from gradcli.derivation.client import DERIVATIONS
from gradcli.execution.adjoint import Adjoints, UndecidedError, accumulate, contribution
from gradcli.execution.custom.compared import SUBJECT, WHO, Side
from gradcli.execution.nodes import Edge, Node
from gradcli.execution.reference import Expansion, Group, double, double_precision

# A definition of more primitive nodes than this is not taken apart.
MOST_NODES = 120


def clues_of(name: str, gradient: Tensor, side: Side) -> Clues:  # noqa: ARG001 (clues are the right gradient's)
    """Return what a wrong gradient of an input may have gone wrong with."""
    tensors = {f"'{other}'": double(leaf) for other, leaf in side.recording.leaves.items()}
    factors = {"'grad_output'": double(side.cotangent), **tensors}
    factors = {what: factor for what, factor in factors.items() if bool((factor != 1).any())}
    return Clues(WHO, SUBJECT, factors, _terms(name, side))


def _terms(name: str, side: Side) -> dict[str, Tensor]:
    """Return the parts of the symbolic gradient, one for each edge of the definitions' graph that leads to an input."""
    expansion = side.expansion
    if expansion is None or len(expansion.tape.nodes) > MOST_NODES:
        return {}
    leaf = expansion.nodes[side.leaf(name)]
    nodes = expansion.tape.nodes
    with double_precision(), torch.no_grad():
        adjoints = Adjoints()
        adjoints.add(expansion.nodes[side.recording.trace.output], double(side.cotangent))
        accumulate(nodes, adjoints, DERIVATIONS.known)
        found: dict[str, Tensor] = {}
        for group in expansion.groups:
            for node in group.nodes:
                for edge in node.edges:
                    part = _through(node, edge, leaf, adjoints, nodes)
                    if part is not None and not _is_known(part, found):
                        found[_named(expansion, group, node, edge, found)] = part
    return found


def _through(node: Node, edge: Edge, leaf: Node, adjoints: Adjoints, nodes: list[Node]) -> Tensor | None:
    """Return the part of a leaf's gradient that passes one edge."""
    if node not in adjoints.values:
        return None
    try:
        begun = contribution(edge, adjoints.values[node], DERIVATIONS.known)
    except UndecidedError:
        return None
    if begun is None:
        return None
    local = Adjoints()
    local.add(edge.source, begun)
    accumulate(nodes, local, DERIVATIONS.known)
    found = local.values.get(leaf)
    return None if found is None or not bool(found.isfinite().all()) or not bool((found != 0).any()) else found


def _is_known(part: Tensor, found: dict[str, Tensor]) -> bool:
    """Return whether a part is one that has a name: along a chain of ops it is the same at every edge."""
    return any(bool(((part - other).abs() <= 1e-12 * other.abs().max()).all()) for other in found.values())


def _named(expansion: Expansion, group: Group, node: Node, edge: Edge, found: dict[str, Tensor]) -> str:
    """Return what an edge is called: the call, and the op inside its definition if it has several."""
    text = group.call.outputs[0].text
    operand = next((leaf.name for leaf, own in expansion.nodes.items() if own is edge.source and leaf.is_leaf), None)
    name = f"through '{text}'"
    if len(group.nodes) > 1 and isinstance(node.origin, tuple):
        name = f"through {node.origin[0].name} in the definition of '{text}'"
    if name in found and operand:
        name += f" from {operand}"
    return (
        name
        if name not in found
        else f"{name} ({edge.name})"
        if f"{name} ({edge.name})" not in found
        else f"{name} #{len(found)}"
    )
