"""A backward that goes forward, that takes one input for another, or does not read one: each is said as such."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import gradcli

SHAPES = {"x": (3, 3), "a": (3, 3), "b": (3, 3)}
CONSTANTS = ("a", "b")


class Sandwich(torch.autograd.Function):
    """`A x B`, of which the tests write the backward: `Aᵀ g Bᵀ` is right."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a @ x @ b


class GoesForward(Sandwich):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        a, b = ctx.saved_tensors
        return a @ g @ b, None, None


class Exchanges(Sandwich):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        a, b = ctx.saved_tensors
        return b.mT @ g @ a.mT, None, None


class DoesNotRead(Sandwich):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        _, b = ctx.saved_tensors
        return (g @ b.mT).exp(), None, None


class Both(torch.autograd.Function):
    """`A q B` and `A k B`."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, a: Tensor, b: Tensor) -> Any:
        ctx.save_for_backward(a, b)
        return a @ q @ b, a @ k @ b

    @staticmethod
    def backward(ctx: Any, g: Tensor, h: Tensor) -> Any:
        a, b = ctx.saved_tensors
        return a @ g @ b, a @ h @ b, None, None


def note(function: type) -> str:
    return str(gradcli.check_function(function, shapes=SHAPES, constants=CONSTANTS)["x"].note)


def test_a_backward_that_goes_forward() -> None:
    assert "it is J v, the derivative of forward along grad_output, and not Jᵀ v" in note(GoesForward)


def test_one_that_goes_forward_with_two_inputs() -> None:
    report = gradcli.check_function(Both, shapes=dict.fromkeys("qkab", (3, 3)), constants=CONSTANTS)
    assert all("it is J v" in str(report[name].note) for name in "qk")


def test_inputs_that_are_taken_for_each_other() -> None:
    assert "it is the gradient for 'a' and 'b' exchanged" in note(Exchanges)


def test_an_input_that_is_not_read() -> None:
    assert "the gradient does not depend on 'a', and the right one does" in note(DoesNotRead)


class TakesOneStep(torch.autograd.Function):
    """The limit of `y = sin(a y / 8 + x)`, of which backward differentiates the last step alone.

    With tanh the gradients far from 0 are so small that they are right there, which is a cause of its own.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, a: Tensor) -> Tensor:
        y = x
        for _ in range(45):
            z = a * y / 8 + x
            y = torch.sin(z)
        ctx.save_for_backward(z)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (z,) = ctx.saved_tensors
        return g * torch.cos(z), None


def test_an_iteration_of_which_one_step_is_differentiated() -> None:
    report = gradcli.check_function(TakesOneStep, shapes={"x": (3,), "a": (3,)}, constants=("a",))
    assert "is missing: backward takes it as a constant" in str(report["x"].note)
