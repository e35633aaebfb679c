"""Calls without a definition where a verdict or a note would run a call again: they are left out of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

import gradcli
from gradcli.report.verdict import Verdict


class Hypot(torch.autograd.Function):
    """The length of (x, y), by NumPy; its backward gives 0/0 at the origin."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return torch.from_numpy(np.hypot(x.detach().numpy(), y.detach().numpy()))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        x, y = ctx.saved_tensors
        length = (x * x + y * y).sqrt()
        return g * x / length, g * y / length


def test_a_nan_that_such_a_call_makes_is_named_without_it() -> None:
    point = torch.tensor([0.0, 1.0], dtype=torch.float64)
    report = gradcli.evaluate(lambda x, y: Hypot.apply(x * 1, y).sum(), {"x": point, "y": point.clone()})
    assert [report[name].verdict for name in ("x", "y")] == [Verdict.UNDEFINED] * 2
    assert "the gradient is NaN at [0]" in str(report["x"].note)


def test_a_jump_before_such_a_call_is_not_said_to_be_lost_in_it() -> None:
    def code(x: Tensor, y: Tensor) -> Tensor:
        return torch.tanh(torch.ops.aten._euclidean_dist(torch.floor(x), y) * 40).sum()

    inputs = {"x": torch.tensor([[1.0, 2.0], [3.0, 4.0]]), "y": torch.tensor([[1.5, 2.5]])}
    report = gradcli.check(code, {name: value.double() for name, value in inputs.items()})
    assert report["x"].verdict is Verdict.UNDECIDED
    assert "has no symbolic definition" in str(report["x"].note)
