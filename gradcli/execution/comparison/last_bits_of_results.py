"""Whether a derivative is the same for other last bits of what a program makes: then no kink is within rounding.

And whether what PyTorch makes differs from the definitions in its last bits alone.
"""

from __future__ import annotations

import torch

from gradcli.execution.comparison.cancellation import with_other_last_bits
from gradcli.execution.comparison.rounding import Point
from gradcli.execution.forward.selecting import exact_results
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.nodes import ComplexNode, Node
from gradcli.execution.reference.pullback import Reference, differentiate

# Each run may be to one side of a kink by chance.
RUNS = 6
# Derivatives are the same that are as near to each other as this part of the largest entry.
SAME = 1e-6
# A result has the digits of its definition if it is as near to that, relative to it.
DIGITS = 1e-9


def are_defined(point: Point) -> bool:
    """Return whether PyTorch's results are what the definitions make, to their own digits: not 10^-16 in place of 0."""
    nodes = point.decomposition.nodes
    return all(
        _is_defined(traced, nodes.get(traced)) for call in point.decomposition.trace.calls for traced in call.outputs
    )


def _is_defined(traced: TracedTensor, node: Node | ComplexNode | None) -> bool:
    if not isinstance(node, Node):
        return False
    own, defined = (tensor.detach().to(torch.float64) for tensor in (traced.tensor, node.tensor))
    return bool(((own == defined) | ((own - defined).abs() <= DIGITS * defined.abs())).all())


def is_away_from_kinks(point: Point, traced: TracedTensor) -> bool:
    """Return whether a tensor's derivative by the definitions is at no kink, be every result moved in its last bits.

    What an equation defines may have one where that is singular, and no op says so.
    """
    edges = (edge for node in point.decomposition.tape.nodes for edge in node.edges)
    if any(edge.request.unknown is not None for edge in edges):
        return False
    if traced not in point.reference.values or not _is_smooth(point.reference, traced):
        return False
    value = point.reference.values[traced]
    allowed = SAME * value.abs().amax() if value.numel() else 0.0
    exact = exact_results(point.decomposition.trace)
    again = (with_other_last_bits(point, seed, exact) for seed in range(RUNS))
    found = (differentiate(moved, point.cotangent, point.derivations.known) for moved in again)
    return all(
        _is_smooth(other, traced) and bool(((other.values[traced] - value).abs() <= allowed).all()) for other in found
    )


def _is_smooth(reference: Reference, traced: TracedTensor) -> bool:
    return traced not in reference.kinked and traced not in reference.by_difference_quotient
