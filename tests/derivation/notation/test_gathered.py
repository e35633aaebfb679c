"""Factors in common are gathered, and what is computed from transposes is turned, where that is the same."""

from __future__ import annotations

import ast

import pytest
import torch

from gradcli.derivation.notation.gathered import gathered

NAMES = {"a": (3,), "b": (3,), "A": (4, 3), "B": (4, 3), "X": (3, 2), "Y": (3, 2), "S": (3, 3), "T": (3, 3)}


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        ("a @ X - b @ X", "(a - b) @ X"),
        ("-(a @ X) + b @ X", "(b - a) @ X"),
        ("A @ X + A @ Y", "A @ (X + Y)"),
        ("A @ X - B @ X + 1", "(A - B) @ X + 1"),
        ("-(a - b) @ X", "(b - a) @ X"),
        ("-((a - 1)*a) @ X", "(1 - a) * a @ X"),
        ("-(b*(a - 1)/b) @ X", "b * (1 - a) / b @ X"),
        ("-(a*b) @ X", "-(a * b) @ X"),
        ("A @ X - B @ Y", "A @ X - B @ Y"),
        ("a*b - a*A", "a * (b - A)"),
        ("sum(A, dim=0) - sum(B, dim=0)", "sum(A - B, dim=0)"),
        ("sum(A, dim=0) - sum(X, dim=1)", "sum(A, dim=0) - sum(X, dim=1)"),
        ("sum(A, dim=0) - sum(X @ Y.T, dim=0)", "sum(A, dim=0) - sum(X @ Y.T, dim=0)"),
        ("(a - b + 1) @ S + S @ (a - b + 1)", "(S + S.T) @ (a - b + 1)"),
        ("(a - b + 1) @ S - S @ (a - b + 1)", "(S.T - S) @ (a - b + 1)"),
        ("S @ (a - b + 1) - (a - b + 1) @ S", "(S - S.T) @ (a - b + 1)"),
        ("1 - (a - b + 1) @ S - S @ (a - b + 1)", "1 - (S + S.T) @ (a - b + 1)"),
        ("a @ S + S @ a", "a @ S + S @ a"),
        ("(S + T + 1) @ T + T @ (S + T + 1)", "(S + T + 1) @ T + T @ (S + T + 1)"),
        ("A @ X - B @ X - A @ Y + B @ Y", "(B - A) @ Y + (A - B) @ X"),
    ],
)
def test_a_common_factor_is_gathered(text: str, shorter: str) -> None:
    found = ast.unparse(gathered(ast.parse(text, mode="eval").body, NAMES))
    torch.manual_seed(0)
    values = {name: torch.randn(shape, dtype=torch.float64) for name, shape in NAMES.items()}
    assert torch.allclose(eval(found, {**values, "sum": torch.sum}), eval(text, {**values, "sum": torch.sum}))  # noqa: S307 (ours)
    assert found == shorter
