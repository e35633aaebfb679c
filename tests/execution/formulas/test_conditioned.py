"""Points and lengths at which a program has no derivative, because a matrix is singular, do not count."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import gradcli
from gradcli.execution.formulas.conditioned import is_settled, nudged
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
