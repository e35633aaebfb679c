"""Derivatives that are 0 in double precision alone, as that of tanh at 40: cosh(40)⁻² is 10^-34, beside a 1.

For pointwise calls the derivative to 50 digits tells such a 0 from one that says that a result does not depend.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import torch
from torch import Tensor

from gradcli.execution.autograd.local_call import LocalCall
from gradcli.execution.comparison.exact import exact_contribution
from gradcli.execution.comparison.rounding import Point
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.execution.reference.contributions import contributions
from gradcli.execution.reference.nodes import Node
from gradcli.execution.reference.pullback import Reference
from gradcli.ops.record import Kind

# Of how many entries of a call the derivative is asked for to 50 digits, at most.
MOST_ENTRIES = 16


def vanishes(point: Point, call: TracedCall, operands: Iterable[TracedTensor]) -> bool:
    """Return whether a pointwise call's derivative by some entry of an operand is 0 by rounding alone.

    That is so only if the definition's derivative is 0 as well: PyTorch's may lose more digits.
    """
    if call.op.kind is not Kind.POINTWISE or call.gap is not None:
        return False
    local = _with_ones(call)
    wanted = [traced for traced in operands if traced.tensor.is_floating_point()]
    return any(
        is_small(point, local, traced, place)
        for traced, gradient in zip(wanted, local.autograd(wanted), strict=True)
        for place in _zeros(gradient, definitions_factor(point, call, traced))
    )


def _with_ones(call: TracedCall) -> LocalCall:
    ones = [torch.ones_like(double(output.tensor.detach())) for output in call.outputs]
    return LocalCall(call, {traced: double(traced.tensor.detach()) for traced in call.inputs}, ones)


def _zeros(gradient: Tensor, factor: Tensor | None) -> list[int]:
    zero = gradient == 0 if factor is None else (gradient == 0) & (factor == 0)
    found: list[int] = zero.reshape(-1).nonzero()[:MOST_ENTRIES, 0].tolist()
    return found


def definitions_factor(point: Point, call: TracedCall, operand: TracedTensor) -> Tensor | None:
    """Return the derivative of the sum of a call's result by an operand, by the call's definition; None without one."""
    (result, *_) = call.outputs
    ones = Reference({result: torch.ones_like(double(result.tensor.detach()))})
    known = contributions(point.decomposition, ones, operand, point.derivations.known)
    return next((factor for other, factor in known if other is call), None)


def is_small(point: Point, local: LocalCall, traced: TracedTensor, place: int) -> bool:
    """Return whether a pointwise call's derivative by an entry is not 0, but less than double precision has."""
    node, source = (point.decomposition.nodes.get(one) for one in (local.call.outputs[0], traced))
    (upstream, *others) = local.cotangents
    if local.call.op.kind is not Kind.POINTWISE or others or upstream is None or not isinstance(node, Node):
        return False
    edges = [edge for edge in node.edges if edge.source is source]
    answers = [exact_contribution(point.derivations, node, edge, upstream, place) for edge in edges]
    known = [answer for answer in answers if answer is not None]
    if any(answer.extent != "number" for answer in known):
        return True
    return sum((Fraction(answer.text) for answer in known), Fraction(0)) != 0
