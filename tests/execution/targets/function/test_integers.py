"""Integers where forward wants real numbers, and the reverse: the hint is one that forward runs with."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.errors import GradcliError


class Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.n = a.shape[0]
        return a[rows]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (rows,) = ctx.saved_tensors
        return torch.zeros(ctx.n, *g.shape[1:], dtype=g.dtype).index_add(0, rows, g), None


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(b)
        return a @ b

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (b,) = ctx.saved_tensors
        return g @ b.mT, None


def hint(function: Any, inputs: dict[str, Any], constants: str | tuple[str, ...] = ()) -> str | None:
    with pytest.raises(GradcliError) as caught:
        gradcli.check_function(function, inputs, shapes={"a": (3, 2)}, constants=constants)
    return caught.value.hint


def test_indices_are_read_as_integers_without_an_option_and_said_to_be() -> None:
    report = gradcli.check_function(Rows, {"rows": [0, 2, 0]}, shapes={"a": (3, 2)})
    assert report.verdict == "match"
    assert not report["rows"].requires_grad
    assert "read as integers" in (report["rows"].note or "")
    assert report["a"].gradient.tolist() == [[2, 2], [0, 0], [1, 1]]


def test_what_is_given_as_a_constant_has_no_such_note() -> None:
    report = gradcli.check_function(Rows, {"rows": [0, 2, 0]}, shapes={"a": (3, 2)}, constants="rows")
    assert report.verdict == "match"
    assert report["rows"].note is None


def test_integers_beside_real_numbers_are_written_with_a_point() -> None:
    assert "as 1.0, in the value of 'b'" in (hint(Product, {"b": [[1, 2], [-1, 3]]}, constants="b") or "")
    real = {"b": [[1.0, 2.0], [-1.0, 3.0]]}
    assert gradcli.check_function(Product, real, shapes={"a": (3, 2)}, constants="b").verdict == "match"


def test_no_hint_is_given_that_does_not_help() -> None:
    assert hint(Rows, {"rows": [0, 7, 0]}) is None
    assert hint(Rows, {"rows": [0.0, 1.0]}) is None
