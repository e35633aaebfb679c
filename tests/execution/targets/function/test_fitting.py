"""Where forward raises for scalars, the hint gives options with which the check succeeds."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.errors import GradcliError
from gradcli.inputs import parse_shapes, parse_values
from gradcli.limits import Limits


class Entropy(torch.autograd.Function):
    """Cross entropy of rows, with a label for each."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, labels: Tensor) -> Tensor:
        ctx.save_for_backward(scores, labels)
        return -scores.log_softmax(1)[torch.arange(scores.shape[0]), labels].mean()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        scores, labels = ctx.saved_tensors
        chosen = torch.nn.functional.one_hot(labels, scores.shape[1])
        return g * (scores.softmax(1) - chosen) / scores.shape[0], None


class Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        print("forward runs")  # noqa: T201
        return x @ weight.t() + bias

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        return g @ weight, g.t() @ x, g.sum(0)


class Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.shape = x.shape
        return x.gather(1, index)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g.new_zeros(ctx.shape).scatter_add(1, ctx.saved_tensors[0], g), None


class Misspelt(torch.autograd.Function):
    """Raises whatever it is given."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward()
        return x.no_such_method()

    @staticmethod
    def backward(_: Any, g: Tensor) -> Any:
        return g


class Root(torch.autograd.Function):
    """Takes symmetric positive definite matrices alone."""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        ctx.save_for_backward()
        return torch.linalg.cholesky(a)

    @staticmethod
    def backward(_: Any, g: Tensor) -> Any:
        return g


def refusal(function: Any, inputs: dict[str, Any] | None = None, **options: Any) -> GradcliError:
    with pytest.raises(GradcliError) as caught:
        gradcli.check_function(function, inputs, **options)
    return caught.value


@pytest.mark.parametrize("function", [Entropy, Linear, Gather])
def test_the_options_of_the_hint_lead_to_a_pass(function: Any) -> None:
    hint = refusal(function).hint or ""
    limits = Limits()
    shapes = parse_shapes(re.findall(r"--shape (\S+?)[ `]", hint), limits)
    values = parse_values(re.findall(r'--value "([^"]*)"', hint), limits)
    report = gradcli.check_function(function, values, shapes=shapes)  # type: ignore[arg-type]
    assert report.verdict == "match"


def test_the_hint_names_the_input_that_must_hold_integers() -> None:
    hint = refusal(Entropy, shapes={"scores": (3, 4)}).hint
    assert hint == "'labels' must hold integers: it runs with `--value \"labels=[0,1,0]\"`"
    assert (refusal(Entropy, {"labels": [0, 1, 2]}).hint or "").endswith("it runs with `--shape scores=3x4`")


def test_no_input_is_said_to_hold_integers_where_real_numbers_will_do() -> None:
    assert "integers" not in (refusal(Linear).hint or "")
    assert "`--shape a=3x3`" in (refusal(Root).hint or "")


def test_what_is_wrong_with_a_name_is_no_matter_of_shapes() -> None:
    assert refusal(Misspelt).hint is None


def test_the_search_prints_nothing_that_forward_prints(capsys: pytest.CaptureFixture[str]) -> None:
    refusal(Linear)
    assert capsys.readouterr().out.count("forward runs") < 20
