"""Functions of symmetric matrices: they are tried at such, and a gradient whose symmetric part is right is one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli


class LogDeterminant(torch.autograd.Function):
    """Of a positive definite matrix, by its factor; the gradient is the inverse."""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        ctx.save_for_backward(a)
        return 2 * torch.linalg.cholesky(a).diagonal().log().sum()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (a,) = ctx.saved_tensors
        lower = torch.tril(a) + torch.tril(a, -1).mT
        return g * torch.linalg.inv(lower)


class Solved(torch.autograd.Function):
    """The solution of a positive definite system, with the gradient of the system of any matrix."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        x = torch.cholesky_solve(b, torch.linalg.cholesky(a))
        ctx.save_for_backward(a, x)
        return x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        a, x = ctx.saved_tensors
        u = torch.cholesky_solve(g, torch.linalg.cholesky(a))
        return -u @ x.mT, u


class SolvedSymmetrically(Solved):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        gradient, u = Solved.backward(ctx, g)
        return (gradient + gradient.mT) / 2, u


class SolvedWrong(Solved):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        gradient, u = Solved.backward(ctx, g)
        return 2 * gradient, u


SHAPES = {"a": (2, 2), "b": (2, 1)}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("function", "shapes"), [(LogDeterminant, {"a": (2, 2)}), (SolvedSymmetrically, SHAPES)], ids=["log", "solved"]
)
def test_a_matrix_that_is_drawn_is_symmetric_where_one_triangle_is_read(function: Any, shapes: Any, seed: int) -> None:
    report = gradcli.check_function(function, shapes=shapes, seed=seed)
    assert torch.equal(report["a"].value, report["a"].value.mT)
    assert report["a"].verdict == "match"


def test_a_gradient_that_is_right_but_for_its_antisymmetric_part_is_called_so() -> None:
    report = gradcli.check_function(Solved, shapes=SHAPES)
    assert report["a"].verdict == "mismatch"
    assert "the symmetric part of this gradient G is right" in str(report["a"].note)


def test_a_gradient_whose_symmetric_part_is_wrong_is_not() -> None:
    assert "symmetric part" not in str(gradcli.check_function(SolvedWrong, shapes=SHAPES)["a"].note)


def test_a_matrix_that_is_not_read_as_symmetric_stays_as_it_is() -> None:
    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
            ctx.save_for_backward(a, b)
            return 2 * torch.linalg.cholesky(a).diagonal().log().sum() * b.square().sum()

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            a, b = ctx.saved_tensors
            return g * torch.linalg.inv(a) * b.square().sum(), g * 2 * b * torch.logdet(a)

    report = gradcli.check_function(Both, shapes={"a": (2, 2), "b": (2, 2)})
    assert not torch.equal(report["b"].value, report["b"].value.mT)
    assert [report[name].verdict for name in "ab"] == ["match", "match"]
