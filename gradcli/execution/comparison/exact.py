"""What a pointwise call computes at one entry, and what it contributes to one of an operand, to 50 digits."""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.derivation.messages import Arbitrated, Arbitration
from gradcli.execution.reference.nodes import Edge, Node

# An operand that is broadcast has a term for each entry it is read at.
MOST_TERMS = 64


def exact_contribution(
    derivations: Derivations, node: Node, edge: Edge, upstream: Tensor, place: int
) -> Arbitrated | None:
    """Return the contribution to the entry of an operand at a flat place; None if sympy has none.

    `node` is the result of a pointwise call, and `upstream` is of its shape.
    """
    shape = node.tensor.shape
    entries = torch.arange(edge.source.tensor.numel()).reshape(edge.source.tensor.shape).expand(shape).flatten()
    read = (entries == place).nonzero()[:, 0].tolist()
    if not 0 < len(read) <= MOST_TERMS:
        return None
    spread = _operands(node, edge)
    cotangent = upstream.expand(shape).flatten()
    if not all(bool(value[read].isfinite().all()) for value in (*spread.values(), cotangent)):
        return None  # no fraction is NaN or infinite
    points = tuple(tuple((name, _text(value[i])) for name, value in spread.items()) for i in read)
    cotangents = tuple(_text(cotangent[i]) for i in read)
    return derivations.arbitrate(Arbitration(edge.request.formula, edge.request.numbers, edge.name, points, cotangents))


def exact_value(derivations: Derivations, node: Node, place: int) -> Fraction | None:
    """Return the entry at a flat place that a pointwise node's operands make, as numbers; None if sympy has none.

    Its parameters are the numbers that they are in double precision, as they are for PyTorch.
    """
    edge = node.edges[0]
    given = {name: value for name, value in edge.request.numbers if isinstance(value, float)}
    at = {name: value[place] for name, value in _operands(node, edge).items()}
    at |= {name: torch.tensor(value, dtype=torch.float64) for name, value in given.items()}
    if not all(bool(value.isfinite()) for value in at.values()):
        return None
    numbers = tuple((name, value) for name, value in edge.request.numbers if name not in given)
    point = tuple((name, _text(value)) for name, value in at.items())
    answer = derivations.arbitrate(Arbitration(edge.request.formula, numbers, None, (point,), ("1",)))
    return Fraction(answer.text) if answer is not None and answer.extent == "number" else None


def _operands(node: Node, edge: Edge) -> dict[str, Tensor]:
    """Return the operands of a pointwise node by name, an entry for each of the node's."""
    views = edge.layout.views
    return {name: views[name].undo(value).expand(node.tensor.shape).flatten() for name, value in edge.operands.items()}


def _text(value: Tensor) -> str:
    """Return a number exactly, as a fraction."""
    return str(Fraction(float(value)))
