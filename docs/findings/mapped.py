"""A Function whose gradients are wrong where `torch.vmap` maps some of its arguments alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Product(torch.autograd.Function):
    """x*y, which saves its operands for `jvp` in another order than for `backward`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, y: Tensor) -> Tensor:
        """Return x*y."""
        return x * y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:  # noqa: ARG004 (PyTorch's)
        """Save the operands."""
        x, y = inputs
        ctx.save_for_backward(x, y)
        ctx.save_for_forward(y, x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of x and y."""
        x, y = ctx.saved_tensors
        return g * y, g * x

    @staticmethod
    def jvp(ctx: Any, dx: Tensor, dy: Tensor) -> Tensor:
        """Return the derivative along tangents."""
        y, x = ctx.saved_tensors
        return dx * y + x * dy


def product(x: Tensor, y: Tensor) -> Tensor:
    """Return each row of x times y."""
    return torch.vmap(Product.apply, in_dims=(0, None))(x, y)
