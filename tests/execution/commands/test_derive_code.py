"""Derivations of code: the calls of a run in formulas, beside what autograd says of the code itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradcli
from gradcli.errors import NotSupportedError
from gradcli.report.verdict import Verdict


class Square(torch.autograd.Function):
    """x² with its derivative, or with a multiple of that."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float = 2.0) -> Tensor:
        ctx.save_for_backward(x)
        ctx.factor = factor
        return x**2

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (x,) = ctx.saved_tensors
        return ctx.factor * x * gradients[0], None


def loss(X: Tensor, w: Tensor, y: Tensor) -> Tensor:  # noqa: N803 (as papers have it)
    return ((X @ w - y) ** 2).mean()


def twice(x: Tensor, times: int = 2) -> Tensor:
    for _ in range(times):
        x = torch.tanh(x)
    return x.sum()


def chosen(x: Tensor) -> Tensor:
    return x.sum() if x.sum() > 0 else (x**2).sum()


def masked(x: Tensor) -> Tensor:
    return (x * torch.tensor([1.0, 0.0, 1.0], dtype=x.dtype)).exp().sum()


def left(x: Tensor) -> Tensor:
    return x.sum() * x[0].item()


def asked(x: Tensor) -> Tensor:
    (found,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    return found.sum()


# By hand.
FORMULAS = [
    (loss, {"X": (4, 3), "w": (3,), "y": (4,)}, "w", "(X @ w - y) @ X/2"),
    (loss, {"X": ("n", "m"), "w": ("m",), "y": ("n",)}, "w", "2*(X @ w - y) @ X/n"),
    (twice, {"x": (3,)}, "x", "(1 - tanh(tanh(x))**2)*(1 - tanh(x)**2)"),
    (masked, {"x": (3,)}, "x", "c*exp(x*c)"),
    (Square, {"x": (3,)}, "x", "2*x*g"),
    (nn.Sequential(nn.Linear(3, 2)), {"input": (4, 3)}, "0.weight", "g.T @ input"),
]


@pytest.mark.parametrize(("code", "inputs", "wrt", "formula"), FORMULAS)
def test_code_has_the_formula_of_what_it_calls(code: Any, inputs: Any, wrt: str, formula: str) -> None:
    (found,) = gradcli.derive(code, inputs, wrt=wrt).derivatives
    assert (found.formula, found.checked.verdict) == (formula, Verdict.MATCH)


def test_a_function_with_another_backward_is_a_mismatch() -> None:
    found = gradcli.derive(Square, {"x": (3,)}, arguments={"factor": 1.0})
    assert (found.formula, found["x"].checked.verdict) == ("2*x*g", Verdict.MISMATCH)


def test_other_points_have_other_parameters() -> None:
    module = nn.Linear(3, 2)
    before = module.weight.detach().clone()
    found = gradcli.derive(module, {"input": (4, 3)}, reduce="sum")
    assert {shape["input"] for shape in found["bias"].checked.shapes} == {(4, 3), (5, 3)}
    assert torch.equal(module.weight, before)


def test_a_choice_by_values_has_a_formula_and_no_function() -> None:
    found = gradcli.derive(chosen, {"x": (3,)})
    assert found["x"].checked.verdict is Verdict.MATCH
    with pytest.raises(NotSupportedError, match="branches on values"):
        found.function()


@pytest.mark.parametrize(("code", "words"), [(left, r"by item\(\)"), (asked, "the code differentiates")])
def test_what_no_formula_follows_is_refused(code: Any, words: str) -> None:
    with pytest.raises(NotSupportedError, match=words):
        gradcli.derive(code, {"x": (3,)})


def test_a_function_is_made_of_code() -> None:
    assert "class Mean(torch.autograd.Function)" in gradcli.derive(loss, FORMULAS[0][1], wrt="w").function()
