"""One wrong expression in a backward: the change that makes it right, with the line; none where it is not one."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli

SHAPES = {"x": (2, 3)}


class Gated(torch.autograd.Function):
    """`x tanh(x)`, of which the tests write the backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * torch.tanh(x)


class ForgetsTheSquare(Gated):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        t = torch.tanh(x)
        return g * (t + x * (1 - t))


class ForgetsX(Gated):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        t = torch.tanh(x)
        return g * (t + (1 - t * t))


class Power(torch.autograd.Function):
    """A power, with the wrong sign in the exponent of its derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**2.5

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 2.5 * x ** (-1.5) * g


class TakesTheSigmoid(Gated):
    """Which is no one change away."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return g * torch.sigmoid(x)


class Projected(torch.autograd.Function):
    """What is left of `x` without its mean, where it is positive: the mean of as many as there are."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        mask = (x > 0).to(x.dtype)
        count = mask.sum(-1, keepdim=True) + 1
        ctx.save_for_backward(mask, count)
        return mask * (x - (mask * x).sum(-1, keepdim=True) / count)


class ForgetsTheMask(Projected):
    """It writes into what it is given, which must not be forward's own."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        mask, count = ctx.saved_tensors
        found = g.clone()
        found[mask == 0] = 0
        mean = found.sum(-1, keepdim=True) / count
        return found - mean


class CountsAll(Projected):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        mask, _count = ctx.saved_tensors
        found = mask * g
        return found - mask * found.sum(-1, keepdim=True) / 7


class CountsNone(Projected):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        mask, count = ctx.saved_tensors  # noqa: RUF059 (what is forgotten)
        found = mask * g
        return found - mask * found.sum(-1, keepdim=True)


class Halves(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(w)
        one, two = x.chunk(2, dim=-1)
        return torch.cat([one * w, two / w], dim=-1)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (w,) = ctx.saved_tensors
        two, one = g.chunk(2, dim=-1)
        return torch.cat([one * w, two / w], dim=-1), None


class Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x * x).cumsum(-1)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 2 * x * g.cumsum(-1)


class Solved(torch.autograd.Function):
    """`A⁻¹ x`, whose adjoint solves with the transpose."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, a: Tensor) -> Tensor:
        ctx.save_for_backward(a)
        return torch.linalg.solve(a, x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (a,) = ctx.saved_tensors
        return torch.linalg.solve(a, g), None


MATRIX = [[2.0, 0.5, 0.25], [-0.5, 1.5, 0.125], [0.375, 0.0, 1.0]]
CAUSES = [
    (ForgetsTheSquare, {"shapes": SHAPES}, r"with 't' in '1 - t' squared it is right|tanh\(x\)' in '1 - t' squared"),
    (ForgetsX, {"shapes": SHAPES}, r"times 'x' it is right \(test_edits.py:\d+\)"),
    (Power, {"inputs": {"x": [1.5, 2.0, 0.75]}}, r"with 1.5 in place of -1.5 in 'x \*\* \(-1.5\)' it is right"),
    (ForgetsTheMask, {"inputs": {"x": [[1.0, -2.0, 3.0], [0.5, 2.5, -1.0]]}}, r"times 'mask' it is right"),
    (CountsAll, {"inputs": {"x": [[1.0, -2.0, 3.0], [0.5, 2.5, 1.5]]}}, r"with '_count' in place of 7 in"),
    (CountsNone, {"inputs": {"x": [[1.0, -2.0, 3.0], [0.5, 2.5, 1.5]]}}, r"divided by 'count' it is right"),
    (Halves, {"shapes": {"x": (2, 4), "w": (2, 2)}, "constants": ("w",)}, r"with the parts of 'g.chunk"),
    (Summed, {"shapes": SHAPES}, r"'g.cumsum\(-1\)' taken from the other end of axis -1 it is right"),
    (Solved, {"shapes": {"x": (3, 2)}, "inputs": {"a": MATRIX}, "constants": ("a",)}, r"with 'a' .*transposed it is"),
]


@pytest.mark.parametrize(("function", "options", "cause"), CAUSES, ids=[case[0].__name__ for case in CAUSES])
def test_the_expression_that_is_wrong_is_named(function: type, options: dict[str, Any], cause: str) -> None:
    report = gradcli.check_function(function, **options)
    assert report["x"].verdict == "mismatch"
    assert re.search(cause, str(report["x"].note)), report["x"].note


def test_what_no_one_change_makes_right_has_no_such_cause() -> None:
    note = str(gradcli.check_function(TakesTheSigmoid, shapes=SHAPES)["x"].note)
    assert "it is right" not in note
