"""`--retain-grad` of code: what PyTorch's `retain_grad()` leaves in `.grad` of what the code makes."""

from __future__ import annotations

import torch
from torch import Tensor

from gradcli.engine import evaluate_code
from gradcli.settings import Settings

X = torch.tensor([0.5, -1.25, 2.0], dtype=torch.float64)


def function(x: Tensor) -> Tensor:
    h = torch.relu(x)
    square = h * h
    return square.sum()


def test_what_code_makes_retains_its_gradient_if_asked_to() -> None:
    x = X.clone().requires_grad_()
    h = torch.relu(x)
    h.retain_grad()
    (h * h).sum().backward()
    assert h.grad is not None
    report = evaluate_code(function, Settings(retain_grad=("h",), formulas=False), [X])
    assert torch.equal(report["h"].grad, h.grad)
    assert report["square"].grad is None


def test_all_retain_their_gradients() -> None:
    report = evaluate_code(function, Settings(retain_grad=("all",), formulas=False), [X])
    assert all(torch.equal(one.grad, one.gradient) for one in report.tensors)
    assert all(one.grad is None for one in evaluate_code(function, Settings(formulas=False), [X]).tensors[1:])
