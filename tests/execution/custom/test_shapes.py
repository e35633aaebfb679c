"""Other shapes: those that backward must take as forward does, and those that it may refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from made import function
from torch import Tensor

import gradcli
from gradcli.report.custom import CustomDetails
from gradcli.report.report import Report


def of_rows(backward: Callable[[Tensor, Tensor], Tensor]) -> type[torch.autograd.Function]:
    """Return the sum of the squares of two coordinates per row; what else a row has is not read."""
    return function(lambda p: p[:, 0] ** 2 + p[:, 1] ** 2, backward, "p")


def columns(p: Tensor, g: Tensor) -> Tensor:
    return torch.stack([2 * p[:, 0] * g, 2 * p[:, 1] * g], 1)


def of_three_rows(p: Tensor, g: Tensor) -> Tensor:
    return 2 * p[:, :2].reshape(3, 2) * g[:, None]


def squeezed(p: Tensor, g: Tensor) -> Tensor:
    return torch.stack([2 * p[:, 0], 2 * p[:, 1]]).squeeze().mT * g[:, None]


def wrong_for_four_rows(p: Tensor, g: Tensor) -> Tensor:
    return columns(p, g if len(p) != 4 else 2 * g)


def other_shapes(report: Report) -> tuple[str, str]:
    assert isinstance(report.details, CustomDetails)
    check = next(check for check in report.details.checks or () if check.name == "other shapes")
    return str(check.verdict), check.note or ""


def test_an_axis_that_has_one_length_only_may_be_refused_another() -> None:
    verdict, note = other_shapes(gradcli.check_function(of_rows(columns), shapes={"p": (3, 2)}))
    assert verdict == "match"
    assert "p of shape 4x3" in note
    assert "backward refuses them" in note


@pytest.mark.parametrize("backward", [of_three_rows, squeezed])
def test_a_length_that_is_written_in_backward_is_wrong(backward: Callable[[Tensor, Tensor], Tensor]) -> None:
    verdict, note = other_shapes(gradcli.check_function(of_rows(backward), shapes={"p": (3, 2)}))
    assert verdict == "mismatch"
    assert "backward raises" in note


def test_the_axes_that_may_have_any_length_are_looked_at_beside_one_that_may_not() -> None:
    verdict, note = other_shapes(gradcli.check_function(of_rows(wrong_for_four_rows), shapes={"p": (3, 2)}))
    assert verdict == "mismatch"
    assert "p of shape 4x2" in note


class LastSum(torch.autograd.Function):
    """Sums the last axis; backward is wrong for three axes."""

    @staticmethod
    def forward(ctx: Any, p: Tensor) -> Tensor:
        ctx.save_for_backward(p)
        return p.sum(-1)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (p,) = ctx.saved_tensors
        return g[..., None].expand_as(p) * (2 if p.ndim == 3 else 1)


@pytest.mark.parametrize("shape", [(3,), (3, 2), (3, 2, 2)])
def test_three_axes_are_tried_whatever_the_rank_of_the_input(shape: tuple[int, ...]) -> None:
    assert gradcli.check_function(LastSum, shapes={"p": shape}).verdict == "mismatch"


def test_a_constant_that_is_given_from_python_keeps_its_shape() -> None:
    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
            assert len(w) == 2
            ctx.save_for_backward(w)
            return (x * w).sum(-1)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            (w,) = ctx.saved_tensors
            return g[..., None] * w, None

    report = gradcli.check_function(Scaled, {"w": [1.0, 2.0]}, shapes={"x": (3, 2)}, constants=("w",))
    assert report.verdict == "match"
    assert other_shapes(report)[1] == "not looked at: other shapes (the value of 'w' is given, and it is a constant)"


def test_a_shape_at_which_forward_is_not_finite_is_not_looked_at() -> None:
    class Deviation(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return ((x - x.mean(0)) ** 2).sum(0) / (0 if len(x) == 1 else len(x) - 1)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return 2 * (x - x.mean(0)) * g / (len(x) - 1) if len(x) > 1 else torch.zeros_like(x)

    report = gradcli.check_function(Deviation, shapes={"x": (3, 2)})
    assert report.verdict == "match"
    assert "x of shape 1x2" in other_shapes(report)[1]
    assert "forward is not finite there" in other_shapes(report)[1]


@pytest.mark.parametrize("shapes", [{}, {"a": (3,), "b": (3,)}, {"a": (2, 3), "b": (2, 3)}])
def test_a_sum_that_the_engine_does_in_place_of_backward_is_said(shapes: Any) -> None:
    product = function(lambda a, b: a * b, lambda a, b, g: (g * b, g * a), "a b")
    verdict, note = other_shapes(gradcli.check_function(product, shapes=shapes))
    assert verdict == "match"
    assert "the gradient of 'a' is returned with shape" in note
    assert "the gradient of 'b' is returned with shape" in note
    assert "`.sum_to_size(b.shape)`" in note


@pytest.mark.parametrize("shapes", [{}, {"a": (3,), "b": (3,)}, {"a": (2, 3), "b": (2, 3)}])
def test_a_backward_that_sums_over_broadcast_axes_has_no_such_note(shapes: Any) -> None:
    product = function(
        lambda a, b: a * b, lambda a, b, g: ((g * b).sum_to_size(a.shape), (g * a).sum_to_size(b.shape)), "a b"
    )
    verdict, note = other_shapes(gradcli.check_function(product, shapes=shapes))
    assert verdict == "match"
    assert "engine" not in note


def test_a_gradient_that_is_wrong_where_forward_broadcasts_by_chance_is_said_and_not_held_against_it() -> None:
    def backward(a: Tensor, b: Tensor, g: Tensor) -> Any:
        return g * 2 * (a - b) / a.numel(), g * 2 * (b - a) / a.numel()

    squares = function(lambda a, b: ((a - b) ** 2).mean(), backward, "a b")
    verdict, note = other_shapes(gradcli.check_function(squares, shapes={"a": (2, 3), "b": (2, 3)}))
    assert verdict == "match"
    assert "forward takes a of shape 1x3, b of shape 2x3 too, and there, the gradient of 'a' is wrong" in note
    assert "times 2" in note


def test_a_matrix_that_forward_takes_as_a_vector_by_chance_is_said_and_not_held_against_it() -> None:
    def backward(w: Tensor, x: Tensor, g: Tensor) -> Any:
        return torch.outer(g, x), w.mT @ g if w.ndim > 1 else w * g + x

    product = function(lambda w, x: w @ x + 0 * x, backward, "w x")
    verdict, note = other_shapes(gradcli.check_function(product, shapes={"w": (3, 3), "x": (3,)}))
    assert verdict == "match"
    assert "forward takes w of shape 3, x of shape 3 too" in note


class TakesSmallWeightsAlone(torch.autograd.Function):
    """As an iteration that converges for some matrices only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        if (w.abs() > 0.25).any():
            raise ValueError("the weights are too large")
        ctx.save_for_backward(x, w)
        return x * w

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, w = ctx.saved_tensors
        return g * w, g * x if len(x) != 4 else 2 * g * x


def test_other_shapes_have_entries_such_as_those_that_are_given() -> None:
    w = [[0.125, -0.0625], [0.0625, 0.09375], [-0.03125, 0.0625]]
    verdict, note = other_shapes(gradcli.check_function(TakesSmallWeightsAlone, {"w": w}, shapes={"x": (3, 2)}))
    assert verdict == "mismatch"
    assert "w of shape 4x3, the gradient of 'w' is wrong" in note
