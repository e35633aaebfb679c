"""Points and lengths at which a program has no derivative, because a matrix is singular, do not count."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import gradcli
from gradcli.execution.formulas.conditioned import is_settled, keep_digits, nudged
from gradcli.report.verdict import Verdict


@pytest.mark.parametrize("shape", [("n", "m"), ("m", "n")])
@pytest.mark.parametrize("program", ["logdet(X @ X.T)", "X.T @ inv(X @ X.T) @ X"])
def test_a_matrix_that_only_wide_lengths_make_regular_is_checked_at_these(program: str, shape: Any) -> None:
    derivation = gradcli.derive(program, {"X": shape})
    assert derivation.verdict is Verdict.MATCH
    assert all(shapes["X"][0] < shapes["X"][1] for shapes in derivation["X"].checked.shapes)


def test_a_matrix_that_is_singular_everywhere_is_not_compared() -> None:
    derivation = gradcli.derive("logdet(X @ X.T)", {"X": (4, 3)})
    assert derivation.verdict is Verdict.UNVERIFIED


@pytest.mark.parametrize("program", ["logdet(X @ X.T)", "X.T @ inv(X @ X.T) @ X"])
def test_a_function_is_not_tried_where_its_program_has_no_derivative(program: str) -> None:
    assert "class " in gradcli.derive(program, {"X": (3, 4)}).function()


def test_gradients_beside_a_singular_matrix_are_rounding() -> None:
    tall = torch.tensor([[1.0, 2.0], [-0.5, 1.5], [0.75, -1.0]], dtype=torch.float64)

    def gradient(value: torch.Tensor) -> list[torch.Tensor]:
        leaf = value.clone().requires_grad_()
        return [*torch.autograd.grad(torch.linalg.inv(leaf @ leaf.T + 1e-15 * torch.eye(len(leaf))).sum(), leaf)]

    assert is_settled(gradient(tall.T), gradient(nudged(tall.T, 1)))
    assert not is_settled(gradient(tall), gradient(nudged(tall, 1)))


@pytest.mark.parametrize(("scale", "kept"), [(1.0, True), (30.0, False)])
def test_gradients_of_a_saturated_softmax_keep_no_digits(scale: float, *, kept: bool) -> None:
    def gradient(dtype: torch.dtype) -> list[torch.Tensor]:
        leaf = (scale * torch.tensor([1.0, 0.25, -0.5], dtype=dtype)).requires_grad_()
        weights = torch.tensor([1.0, 2.0, 4.0], dtype=dtype)
        return [*torch.autograd.grad(leaf.softmax(0) @ weights, leaf)]

    assert keep_digits(gradient(torch.float64), gradient(torch.float32)) is kept


def test_a_formula_is_compared_where_a_softmax_of_long_products_is_not_saturated() -> None:
    derivation = gradcli.derive("softmax(A@x,dim=0)", {"x": ("n",), "A": ("m", "n")}, product="jacobian")
    assert derivation.verdict is Verdict.MATCH
