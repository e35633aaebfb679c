"""What autograd says of derivatives: of gradients, second ones, Jacobians, and products with tangents."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradcli.execution.formulas.closed import Target
from gradcli.execution.formulas.points import Point
from gradcli.execution.forward.refusals import REFUSALS, refusals
from gradcli.execution.forward.trace import TracedTensor


def expected(point: Point, several: Sequence[Target]) -> dict[Target, Tensor]:
    """Return what autograd says of each derivative."""
    if several and several[0].is_moving:
        with refusals("the derivative of the gradients"):
            return _along_tangents(point, several)
    if several and several[0].product:
        return {target: _jacobian(point.output.tensor, target.by[0].tensor) for target in several}
    by_first: dict[TracedTensor, Tensor] = (
        dict(point.own) if max((len(one.by) for one in several), default=0) == 1 else {}
    )
    output = (point.output.tensor * point.cotangent).sum()
    found = {}
    for target in several:
        first, *rest = target.by
        if first not in by_first:
            by_first[first] = _gradient(output, first.tensor, create_graph=bool(rest))
        gradient = by_first[first]
        with refusals("the derivative of the gradients"):
            found[target] = _jacobian(gradient, rest[0].tensor) if rest else gradient
    return found


def _along_tangents(point: Point, several: Sequence[Target]) -> dict[Target, Tensor]:
    """Return what autograd says of products with tangents: they are derivatives of the gradients' product with them.

    Where PyTorch has no such derivative, the output's own is what its Jacobian makes of the tangents.
    """
    try:
        return _by_gradients(point, several)
    except REFUSALS:
        if any(target.product != "jvp" for target in several):
            raise
    flat = [
        _jacobian(point.output.tensor, traced.tensor).reshape(-1, traced.tensor.numel()) @ tangent.reshape(-1)
        for traced, tangent in point.tangents().items()
    ]
    along = torch.stack(flat).sum(0).reshape(point.output.tensor.shape)
    return dict.fromkeys(several, along)


def _by_gradients(point: Point, several: Sequence[Target]) -> dict[Target, Tensor]:
    upstream = point.cotangent.detach().clone().requires_grad_()
    output = (point.output.tensor * upstream).sum()
    tangents = point.tangents()
    products = [(_gradient(output, traced.tensor, create_graph=True) * tangents[traced]).sum() for traced in tangents]
    total = torch.stack(products).sum()
    return {
        target: _gradient(total, upstream if target.product == "jvp" else target.by[0].tensor, create_graph=False)
        for target in several
    }


def _gradient(output: Tensor, by: Tensor, *, create_graph: bool) -> Tensor:
    if not output.requires_grad:
        return torch.zeros_like(by, requires_grad=False)
    (found,) = torch.autograd.grad(
        output, [by], create_graph=create_graph, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return found


def _jacobian(gradient: Tensor, by: Tensor) -> Tensor:
    rows = [_gradient(entry, by, create_graph=False) for entry in gradient.reshape(-1)]
    return torch.stack(rows).reshape((*gradient.shape, *by.shape)) if rows else gradient.new_zeros(0)
