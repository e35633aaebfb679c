"""A sigmoid at its limit: PyTorch computes the same, and the same derivative, as by a choice."""

from __future__ import annotations

import math

import pytest
import torch

from gradcli.derivation.notation.chain_limits import with_limits

X = torch.tensor([-800.0, -3.0, 0.0, 19.9, 20.0, 20.001, 25.0, 800.0], dtype=torch.float64)
CHOICE, LIMIT = "where(x > 20, 1, sigmoid(x))", "sigmoid(-threshold(-x, -20.000000000000004, -inf))"


def value(text: str, x: torch.Tensor) -> torch.Tensor:
    """Return what a formula comes to, and its derivative under it."""
    leaf = x.clone().requires_grad_()
    names = {"where": torch.where, "sigmoid": torch.sigmoid, "threshold": torch.threshold, "inf": math.inf, "x": leaf}
    found: torch.Tensor = eval(text, names)  # noqa: S307 (of this file)
    (slope,) = torch.autograd.grad(found.sum(), leaf)
    return torch.stack([found.detach(), slope])


def test_a_choice_at_a_limit_is_one_sigmoid() -> None:
    assert with_limits(f"g*{CHOICE}") == f"g*{LIMIT}"
    assert bool((value(LIMIT, X) == value(CHOICE, X)).all())
    assert bool((value(LIMIT, X.float()) == value(CHOICE, X.float())).all())


@pytest.mark.parametrize(
    "text",
    [
        "where(x > 20, 2, sigmoid(x))",
        "where(x > 20, 1, sigmoid(-x))",
        "where(x < 20, 1, sigmoid(x))",
        "where(x > y, 1, sigmoid(x))",
        "where(x > 20, 1, tanh(x))*sigmoid(x)",
    ],
)
def test_any_other_choice_stays(text: str) -> None:
    assert with_limits(text) == text
