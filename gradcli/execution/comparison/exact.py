"""What a pointwise call contributes to one entry of an operand, by its derivative to 50 digits."""

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
    views = edge.layout.views
    operands = {name: views[name].undo(value) for name, value in edge.operands.items()}
    spread = {name: value.expand(shape).flatten() for name, value in operands.items()}
    cotangent = upstream.expand(shape).flatten()
    if not all(bool(value[read].isfinite().all()) for value in (*spread.values(), cotangent)):
        return None  # no fraction is NaN or infinite
    points = tuple(tuple((name, _text(value[i])) for name, value in spread.items()) for i in read)
    cotangents = tuple(_text(cotangent[i]) for i in read)
    return derivations.arbitrate(Arbitration(edge.request.formula, edge.request.numbers, edge.name, points, cotangents))


def _text(value: Tensor) -> str:
    """Return a number exactly, as a fraction."""
    return str(Fraction(float(value)))
