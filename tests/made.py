"""Custom Functions made of two formulas."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def function(
    forward: Callable[..., Tensor], backward: Callable[..., Any], names: str = "x"
) -> type[torch.autograd.Function]:
    """Return a Function that saves its inputs; `backward` maps them and the upstream gradient to the gradients.

    `names` are those of the inputs, with spaces between.
    """

    class Made(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Tensor) -> Tensor:
            ctx.save_for_backward(*inputs)
            return forward(*inputs)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            return backward(*ctx.saved_tensors, g)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind) for name in ("ctx", *names.split())]
    Made.forward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return Made
