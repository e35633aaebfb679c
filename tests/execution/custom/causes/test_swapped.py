"""Gradients that are returned in another order than forward takes its arguments."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.report.custom import CustomDetails


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a * b.exp()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        a, b = ctx.saved_tensors
        return g * a * b.exp(), g * b.exp()


class Twice(Product):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        a, b = ctx.saved_tensors
        return (g * a * b.exp(),) * 2


class Matmul(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a @ b

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        a, b = ctx.saved_tensors
        return a.mT @ g, g @ b.mT


class Difference(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return (a - b) ** 2

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        a, b = ctx.saved_tensors
        return (2 * g * (b - a),) * 2


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_swapped_gradients_are_named(shape: tuple[int, ...]) -> None:
    report = gradcli.check_function(Product, shapes={"a": shape, "b": shape})
    for name in ("a", "b"):
        assert "the gradients of 'a' and 'b' are swapped" in str(report[name].note)


def test_one_gradient_for_two_inputs() -> None:
    report = gradcli.check_function(Twice, shapes={"a": (3,), "b": (3,)})
    assert "backward returns the gradient of 'b' in place of that of 'a'" in str(report["a"].note)
    assert str(report["b"].verdict) == "match"


def test_swapped_gradients_of_other_shapes() -> None:
    report = gradcli.check_function(Matmul, shapes={"a": (2, 3), "b": (3, 4)})
    assert isinstance(report.details, CustomDetails)
    notes = {check.name: check.note for check in report.details.checks or ()}
    assert "the gradients of 'a' and 'b' are swapped" in str(notes["gradients returned"])


def test_a_wrong_sign_is_simpler_than_the_gradient_of_another() -> None:
    note = str(gradcli.check_function(Difference, shapes={"a": (3,), "b": (3,)})["a"].note)
    assert "the sign is wrong" in note
    assert "in place of" not in note
