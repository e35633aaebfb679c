"""Kinks: where a derivative is one-sided, autograd's choice must lie between the one-sided derivatives.

A kink is declared by its op. At a kink (and where the symbolic derivative is not a number) the call's own gradient, as
PyTorch computes it for this one call, is compared with the one-sided difference quotients of the same function. A choice
between them is adopted, so that the gradients upstream can be compared; one outside is left to be a mismatch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gradcli.execution.adjoint import Adjoints
from gradcli.execution.interpreter import ARITHMETIC
from gradcli.execution.tape import Node, function
from gradcli.execution.trace import Traced, TracedCall, replaced

# Step of the one-sided quotients; one step of Richardson's extrapolation makes their error of the order of its square.
STEP = 1e-5
# How far outside the one-sided derivatives a choice may lie, for the quotients' own error.
SLACK = 1e-6
# One-sided derivatives cost four evaluations an element.
MOST_ELEMENTS = 4096


def has_kink(nodes: Sequence[Node], local: Adjoints) -> bool:
    """Return whether a gradient passes through a declared kink."""
    return any(node.kinks is not None and _reached(node.kinks(), local.values.get(node)) for node in nodes)


def _reached(mask: Tensor, adjoint: Tensor | None) -> bool:
    if adjoint is None or not bool(mask.any()):
        return False
    reached = adjoint != 0
    return bool((mask & reached).any() if mask.shape == reached.shape else reached.any())


def resolve(
    call: TracedCall,
    inputs: Mapping[Traced, Node],
    outputs: Sequence[tuple[Traced, Node]],
    upstream: Mapping[Node, Tensor],
    local: Adjoints,
) -> bool:
    """Adopt autograd's choice at kinks; return whether a derivative was found to be one-sided."""
    wanted = {traced: node for traced, node in inputs.items() if node.differentiable and node in local.values}
    tensors = {traced: node.tensor.detach() for traced, node in inputs.items()}
    weights = [upstream.get(node) for _, node in outputs]
    chosen = _autograd(call, tensors, list(wanted), weights)
    sided = False
    for (traced, node), choice in zip(wanted.items(), chosen, strict=True):
        ours = local.values[node]
        differs = ~((ours - choice).abs() <= 1e-9 * ours.abs() + 1e-13 * ours.abs().max()) & choice.isfinite()
        places = differs.nonzero()
        if 0 < len(places) <= MOST_ELEMENTS:
            adopted, found = _adopt(call, tensors, traced, weights, choice, places)
            local.values[node] = torch.where(adopted, choice, ours)
            sided = sided or found
    return sided


def _adopt(
    call: TracedCall,
    tensors: Mapping[Traced, Tensor],
    traced: Traced,
    weights: Sequence[Tensor | None],
    choice: Tensor,
    places: Tensor,
) -> tuple[Tensor, bool]:
    """Return where a choice lies between the one-sided derivatives, and whether these differ anywhere."""
    adopted = torch.zeros_like(choice, dtype=torch.bool)
    sided = False
    for place in places.tolist():
        index = tuple(place)
        below, above = (_one_sided(call, tensors, traced, weights, index, sign) for sign in (-1.0, 1.0))
        slack = SLACK * max(1.0, abs(below), abs(above))
        if min(below, above) - slack <= float(choice[index]) <= max(below, above) + slack:
            adopted[index] = True
            sided = sided or abs(above - below) > slack
    return adopted, sided


def _one_sided(
    call: TracedCall,
    tensors: Mapping[Traced, Tensor],
    traced: Traced,
    weights: Sequence[Tensor | None],
    index: tuple[int, ...],
    sign: float,
) -> float:
    """Return the derivative of Σ weights · outputs for a step of one entry to one side."""
    step = STEP * max(1.0, abs(float(tensors[traced][index])))

    def value(shift: float) -> list[Tensor]:
        moved = tensors[traced].clone()
        moved[index] += shift
        return run_call(call, {**tensors, traced: moved})

    middle = value(0.0)

    def quotient(shift: float) -> float:
        parts = zip(value(shift), middle, weights, strict=True)
        total = sum(float(((moved - still) * weight).sum()) for moved, still, weight in parts if weight is not None)
        return total / shift

    return 2 * quotient(sign * step / 2) - quotient(sign * step)


def _autograd(
    call: TracedCall, tensors: Mapping[Traced, Tensor], wanted: Sequence[Traced], weights: Sequence[Tensor | None]
) -> list[Tensor]:
    """Return PyTorch's own gradient of one call."""
    with torch.enable_grad():
        leaves = {traced: tensor.clone().requires_grad_(traced in wanted) for traced, tensor in tensors.items()}
        results = run_call(call, leaves)
        pairs = [(r, w) for r, w in zip(results, weights, strict=True) if w is not None and r.requires_grad]
        found = torch.autograd.grad(
            [r for r, _ in pairs], [leaves[traced] for traced in wanted], [w for _, w in pairs], allow_unused=True
        )
    return [torch.zeros_like(tensors[t]) if g is None else g for t, g in zip(wanted, found, strict=True)]


def run_call(call: TracedCall, tensors: Mapping[Traced, Tensor]) -> list[Tensor]:
    """Return the results of one call with other tensors in the place of its own."""
    op, bound = call.op, call.call
    target = ARITHMETIC.get(op.name) if bound.node.operator and op.name in ARITHMETIC else function(op.torch)
    positional = replaced(bound.positional, tensors.__getitem__)
    result = target(*positional, **replaced(bound.keywords, tensors.__getitem__))  # type: ignore[misc]
    items = result if isinstance(result, tuple | list) else [result]
    return [item for item in items if isinstance(item, Tensor)]
