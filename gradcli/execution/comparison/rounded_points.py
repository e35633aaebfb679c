"""Points at which a derivative is infinite, and which rounding made: x*x is 0 at 1e-200, where alone sqrt has no slope.

The point is what the calls before make of the leaves. How far they are off there is known to first order, as each
node's own rounding times the derivative of the point by it: the rounding of a pointwise node by its value to 50 digits,
that of a sum of products by its terms as fractions. Rounding that cancels, as in sin(x) - sin(y) for equal x and y,
moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.execution.comparison.exact import exact_value
from gradcli.execution.comparison.vanishing import MOST_ENTRIES
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.reference.adjoints import Adjoints, UndecidedError, accumulate, contribution
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.nodes import Node
from gradcli.ops.record import Kind

# What moves a point by less than this part of all that moves it cancels: the parts are known to first order.
CANCELS = Fraction(1, 10**10)
# How near the terms of a sum are to its value, relative to their sizes, where it is linear in the operand.
LINEAR = 1e-9
# Of how many terms a sum is added up.
MOST_TERMS = 4096


def is_rounded(decomposition: Decomposition, derivations: Derivations, places: Mapping[Node, Tensor]) -> bool:
    """Return whether rounding moves the values of nodes at any of the places that masks of their shapes hold."""
    generator, adjoints = torch.Generator().manual_seed(0), Adjoints()
    for node, mask in places.items():
        adjoints.add(node, mask * (0.5 + torch.rand(mask.shape, generator=generator, dtype=torch.float64)))
    with double_precision(), torch.no_grad():
        accumulate(decomposition.tape.nodes, adjoints, derivations.known)
        moves = [move for node, adjoint in adjoints.values.items() for move in _moves(derivations, node, adjoint)]
    return abs(sum(moves, Fraction(0))) > CANCELS * sum(map(abs, moves), Fraction(0))


def _moves(derivations: Derivations, node: Node, adjoint: Tensor) -> Iterator[Fraction]:
    """Yield by how much the rounding of each entry of a node moves what the adjoint is the derivative of."""
    adjoint = adjoint.nan_to_num(nan=0.0)  # past a point where another derivative is infinite, the least move counts
    for place in adjoint.reshape(-1).nonzero()[:MOST_ENTRIES, 0].tolist():
        exact = _exactly(derivations, node, place)
        if exact is not None:
            yield (exact - _fraction(node.tensor, place)) * _fraction(adjoint, place)


def _exactly(derivations: Derivations, node: Node, place: int) -> Fraction | None:
    """Return the entry of a node that its definition makes of its operands; None where that is not known.

    What is moved is not rounded, and is a sum as well: of one term.
    """
    kind = node.origin[0].kind if isinstance(node.origin, tuple) else None
    if not node.edges or not bool(node.tensor.reshape(-1)[place].isfinite()):
        return None
    if kind is Kind.POINTWISE and node.edges[0].request.part is None:
        return exact_value(derivations, node, place)
    return _summed(derivations, node, place) if kind in {Kind.INDEXED, Kind.EINSUM} else None


def _summed(derivations: Derivations, node: Node, place: int) -> Fraction | None:
    """Return the entry of a node that is linear in its first operand, by its terms; None if it is not so.

    The derivative by each entry of that operand is what it is multiplied by: a product of the others, or 1.
    """
    one = torch.zeros_like(node.tensor)
    one.reshape(-1)[place] = 1.0
    edge = node.edges[0]
    try:
        factors = contribution(edge, one, derivations.known)
    except UndecidedError:
        return None
    if factors is None or not (len(read := factors.reshape(-1).nonzero()[:, 0].tolist()) <= MOST_TERMS):
        return None
    terms = [_fraction(factors, at) * _fraction(edge.source.tensor, at) for at in read]
    total, size = sum(terms, Fraction(0)), sum(map(abs, terms), Fraction(0))
    return total if abs(total - _fraction(node.tensor, place)) <= LINEAR * size else None


def _fraction(tensor: Tensor, place: int) -> Fraction:
    return Fraction(float(tensor.reshape(-1)[place]))
