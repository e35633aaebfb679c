from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradcli.execution.forward import trace

Forward = Callable[..., Any]
# The gradient of the operand, of the upstream gradient, the operand and the result.
Backward = Callable[[Tensor, Tensor, Tensor], Tensor]
Plant = Callable[..., None]


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Have PyTorch run another function for an op, wherever a call of it runs; with a backward that may be wrong."""

    def plant(name: str, forward: Forward, backward: Backward | None = None) -> None:
        target = forward if backward is None else function_of(forward, backward)
        original = trace.target_of
        monkeypatch.setattr(trace, "target_of", lambda op, call: target if op.name == name else original(op, call))

    return plant


def function_of(forward: Forward, backward: Backward) -> Forward:
    """Return a function of one tensor with a backward of its own."""

    class Planted(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, value: Tensor) -> Tensor:
            result: Tensor = forward(value)
            context.save_for_backward(value, result)
            return result

        @staticmethod
        def backward(context: Any, gradient: Tensor) -> Tensor:
            return backward(gradient, *context.saved_tensors)

    return Planted.apply
