"""Custom Functions for docs/custom.md: one that is right, two that are not, and a surrogate."""

import torch
from torch.autograd import Function


class SquareSum(Function):
    """x**2 + y**2."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x**2 + y**2

    @staticmethod
    def backward(ctx, grad_output):
        x, y = ctx.saved_tensors
        return grad_output * 2 * x, grad_output * 2 * y


class Softmax(Function):
    """Softmax along the last axis; its backward sums along the first."""

    @staticmethod
    def forward(ctx, x):
        p = torch.softmax(x, dim=-1)
        ctx.save_for_backward(p)
        return p

    @staticmethod
    def backward(ctx, grad_output):
        (p,) = ctx.saved_tensors
        inner = (grad_output * p).sum(dim=0, keepdim=True)
        return p * (grad_output - inner)


class Silu(Function):
    """x * sigmoid(x); its gradient is right, and its second derivative silently wrong."""

    @staticmethod
    def forward(ctx, x):
        s = torch.sigmoid(x)
        ctx.save_for_backward(x, s)
        return x * s

    @staticmethod
    def backward(ctx, grad_output):
        x, s = ctx.saved_tensors
        return grad_output * (s + x * s * (1 - s))


class Signed(Function):
    """sign(x), with the derivative of clamp(x, -1, 1) in place of its own: a surrogate."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sign(x)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output * (x.abs() <= 1)
