"""A wrong backward inside of a module is found, and its class and lines are named; a right one is not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gradcli

WRONG = {
    "right": lambda g, x, s: g * (s + x * s * (1 - s)),
    "factor": lambda g, x, s: g * (s + x * s * (1 - s)) * 1.01,
    "sign": lambda g, x, s: -g * (s + x * s * (1 - s)),
    "dropped term": lambda g, _, s: g * s,
    "grad_output ignored": lambda _, x, s: s + x * s * (1 - s),
    "detached part": lambda g, x, s: g * (x * s * (1 - s)),
    "summed over an axis": lambda g, x, s: (g * (s + x * s * (1 - s))).mean(0, keepdim=True).expand_as(x),
}


def swish(name: str) -> type[torch.autograd.Function]:
    class Swish(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * torch.sigmoid(x)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            found: Tensor = WRONG[name](g, x, torch.sigmoid(x))
            return found

    return Swish


class Act(nn.Module):
    def __init__(self, function: type[torch.autograd.Function]) -> None:
        super().__init__()
        self.apply_function = function.apply

    def forward(self, x: Tensor) -> Tensor:
        return self.apply_function(x)


class Residual(nn.Module):
    """What goes into the Function is used beside it, too."""

    def __init__(self, function: type[torch.autograd.Function]) -> None:
        super().__init__()
        self.first, self.act, self.last = nn.Linear(3, 4), Act(function), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        return self.last(self.act(h) + h.tanh() * h).square().mean()


def chained(function: type[torch.autograd.Function]) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), Act(function), nn.LayerNorm(4), nn.Linear(4, 2), Act(swish("right")))


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("make", [Residual, chained])
def test_a_wrong_backward_is_blamed_by_name_and_line(make: Any, name: str) -> None:
    torch.manual_seed(0)
    report = gradcli.check(make(swish(name)), (torch.randn(5, 3),), witnesses="symbolic")
    if name == "right":
        assert report.verdict == "match"
        return
    assert report.verdict == "mismatch"
    line = swish.__code__.co_firstlineno + 8
    notes = [tensor.note or "" for tensor in report.tensors if tensor.verdict == "mismatch"]
    assert notes
    assert all("the backward of Swish" in note and f"test_blame.py:{line}" in note for note in notes)
    assert all("in module '1'" in note or "in module 'act'" in note for note in notes)


def test_the_cause_is_named() -> None:
    report = gradcli.check(Residual(swish("sign")), (torch.randn(5, 3),), witnesses="symbolic")
    assert "the sign is wrong" in (report["x"].note or "")


def test_a_hook_that_changes_a_gradient_is_named() -> None:
    def f(x: Tensor) -> Tensor:
        h = x * x
        h.register_hook(lambda g: 2 * g)
        return h.sum()

    report = gradcli.check(f, (torch.randn(3),))
    assert report.verdict == "mismatch"
    assert "a hook on 'h'" in (report["x"].note or "")


def test_a_function_whose_apply_was_bound_before_is_seen() -> None:
    bound = swish("factor").apply
    report = gradcli.check(lambda x: bound(x.exp()).sum(), (torch.randn(3),), witnesses="symbolic")
    assert report.verdict == "mismatch"
    assert "the backward of Swish" in (report["x"].note or "")


def test_a_backward_hook_of_a_module_that_changes_a_gradient_is_named() -> None:
    module = nn.Sequential(nn.Tanh(), nn.Linear(3, 2)).double()
    module[1].register_full_backward_hook(lambda _, given, __: (2 * given[0],))
    report = gradcli.check(module, [torch.randn(2, 3, dtype=torch.float64)], witnesses="symbolic")
    assert report["input"].verdict == "mismatch"
    assert "a backward hook of module '1' changes the gradient" in report["input"].note


def test_a_hook_that_a_parameter_had_before_is_kept_and_named() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))
    module[2].weight.register_hook(lambda g: 2 * g)
    report = gradcli.check(module, (torch.randn(2, 3),), witnesses="symbolic")
    assert {tensor.name for tensor in report.tensors if tensor.verdict == "mismatch"} == {"2.weight"}
    assert "a hook on '2.weight' (tests/execution/code/test_blame.py:" in (report["2.weight"].note or "")


class Sine(torch.autograd.Function):
    """One that can be mapped, with a wrong backward."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.sin()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], _: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 2 * g * x.cos()


def test_a_function_under_vmap_is_blamed_once() -> None:
    report = gradcli.check(lambda x: torch.vmap(Sine.apply)(x).sum(), (torch.randn(3, 2),))
    note, line = report["x"].note or "", Sine.backward.__code__.co_firstlineno + 1
    assert report.verdict == "mismatch"
    assert f"the backward of Sine (tests/execution/code/test_blame.py:{line})" in note
    assert note.count("the backward of") == 1
