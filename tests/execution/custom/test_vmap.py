"""A Function's own rule for torch.func.vmap, for a batch along any axis of each input."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.report.custom import Check, CustomDetails


class Weighed(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, y: Tensor) -> Tensor:
        return x * y.sum(-1, keepdim=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG004 (PyTorch's signature)
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, y = ctx.saved_tensors
        return g * y.sum(-1, keepdim=True), (g * x).sum(-1, keepdim=True).expand_as(y)

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, y: Tensor) -> Any:
        x, y = (
            v.expand(info.batch_size, *v.shape) if axis is None else v.movedim(axis, 0)
            for v, axis in zip((x, y), in_dims, strict=True)
        )
        return Weighed.apply(x, y), 0


class ForgetsTheAxis(Weighed):
    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, y: Tensor) -> Any:  # noqa: ARG004 (PyTorch's signature)
        return Weighed.apply(x, y), 0


class ForgetsThatThereIsNone(Weighed):
    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, y: Tensor) -> Any:
        x, y = (v.movedim(axis or 0, 0).reshape(info.batch_size, -1) for v, axis in zip((x, y), in_dims, strict=True))
        return Weighed.apply(x, y), 0


class RefusesNone(Weighed):
    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, y: Tensor) -> Any:
        if None in in_dims:
            raise NotImplementedError
        return Weighed.vmap(info, in_dims, x, y)


def vmap_of(function: type) -> Check:
    report = gradcli.check_function(function, shapes={"x": (3,), "y": (3,)})
    assert isinstance(report.details, CustomDetails)
    return next(check for check in report.details.checks or () if check.name == "vmap")


def test_a_rule_that_moves_the_axis_is_right() -> None:
    assert vmap_of(Weighed).notes == ()


@pytest.mark.parametrize(
    ("function", "axes"), [(ForgetsTheAxis, "in_dims=(1, 1)"), (ForgetsThatThereIsNone, "in_dims=(None, 1)")]
)
def test_a_rule_that_forgets_where_the_batch_is_is_wrong(function: type, axes: str) -> None:
    check = vmap_of(function)
    assert check.verdict.value == "mismatch"
    assert axes in check.notes[0].words


def test_a_rule_that_refuses_an_axis_gives_no_wrong_result() -> None:
    check = vmap_of(RefusesNone)
    assert check.verdict.value == "match"
    assert "in_dims=(None, 1)" in check.notes[0].words
