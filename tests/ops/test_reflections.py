"""Products of reflections, defined at once: their gradients are those of one reflection after another."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import gradcli

ROWS, COLUMNS = 9, 6


def given() -> dict[str, Tensor]:
    """Return vectors and factors of reflections, one of which is the identity, and what they reflect."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(2, ROWS, COLUMNS, dtype=torch.float64, generator=generator) for _ in range(2))
    v = a.tril(-1) + torch.eye(ROWS, COLUMNS, dtype=torch.float64)
    t = 2 / (v * v).sum(-2)
    t[0, 2] = 0
    return {"a": a, "t": t, "b": b}


def reflected(a: Tensor, t: Tensor, y: Tensor, *, transposed: bool = False) -> Tensor:
    """Return H₁ H₂ … y, or its transpose times y, with Hᵢ = 1 - tᵢ vᵢ vᵢᵀ."""
    v = a.tril(-1) + torch.eye(ROWS, COLUMNS, dtype=torch.float64)
    for i in range(COLUMNS) if transposed else reversed(range(COLUMNS)):
        w = v[..., :, i : i + 1]
        y = y - t[..., i, None, None] * (w @ (w.mT @ y))
    return y


def assert_gradients(program: str, inputs: dict[str, Tensor], output: Tensor, leaves: dict[str, Tensor]) -> None:
    """Check the symbolic gradients of a program's sum of squares against those of a tensor that PyTorch made."""
    (output**2).sum().backward()
    report = gradcli.evaluate(f"({program})**2", inputs, reduce="sum")
    for name, leaf in leaves.items():
        assert report[name].verdict == "match"
        found = report[name].symbolic
        assert found is not None
        assert leaf.grad is not None
        assert torch.allclose(torch.as_tensor(found.value), leaf.grad, rtol=1e-10, atol=1e-12)


def test_a_product_of_reflections() -> None:
    inputs = {name: value for name, value in given().items() if name != "b"}
    leaves = {name: value.clone().requires_grad_() for name, value in inputs.items()}
    output = reflected(**leaves, y=torch.eye(ROWS, COLUMNS, dtype=torch.float64))
    assert_gradients("torch.linalg.householder_product(a, t)", inputs, output, leaves)


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("transpose", [True, False])
def test_reflections_of_a_matrix(left: bool, transpose: bool) -> None:
    inputs = given() if left else {**given(), "b": given()["b"].mT.contiguous()}
    leaves = {name: value.clone().requires_grad_() for name, value in inputs.items()}
    a, t, b = leaves.values()
    output = reflected(a, t, b if left else b.mT, transposed=left == transpose)
    assert_gradients(f"torch.ormqr(a, t, b, left={left}, transpose={transpose})", inputs, output, leaves)
