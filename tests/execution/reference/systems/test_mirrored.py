"""Adjoints of a triangular factor of a symmetric matrix, beside autograd's of the equations that it solves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gradcli.execution.reference.systems.mirrored import Mirrored


def equations(factor: Tensor, *, upper: bool) -> Tensor:
    """Return one triangle of the product that the factor is of, and the other triangle of the factor itself."""
    if upper:
        half = factor.triu()
        return (half.mT @ half).triu() + factor.tril(-1)
    half = factor.tril()
    return (half @ half.mT).tril() + factor.triu(1)


@pytest.mark.parametrize("upper", [False, True])
def test_two_triangular_systems_lead_back_to_the_adjoint(*, upper: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    factor, solution = torch.randn(2, 3, 6, 6, generator=generator, dtype=torch.float64)
    factor = (factor.triu() if upper else factor.tril()) + 4 * torch.eye(6, dtype=torch.float64)
    point = factor.clone().requires_grad_()
    (right,) = torch.autograd.grad(equations(point, upper=upper), point, solution)
    sides, everything = Mirrored(factor.mT if upper else factor, upper), slice(None)
    torch.testing.assert_close(sides.solve(right), solution, rtol=0, atol=1e-13)
    torch.testing.assert_close(sides.product(solution, everything, everything), right, rtol=0, atol=1e-13)
    torch.testing.assert_close(sides.product(solution, slice(2, 3), everything), right[:, 2:3], rtol=0, atol=1e-13)
    torch.testing.assert_close(sides.product(solution, everything, slice(2, 3)), right[..., 2:3], rtol=0, atol=1e-13)
