"""Hooks that run when a gradient has arrived: `.grad` is what PyTorch leaves, and the gradient is what arrived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradcli.engine import evaluate_code
from gradcli.settings import Settings

X = torch.tensor([[0.3, -0.7, 1.1]], dtype=torch.float64)


def doubled(leaf: Any) -> None:
    leaf.grad.mul_(2)


def replaced(leaf: Any) -> None:
    leaf.grad = leaf.grad + 1


def dropped(leaf: Any) -> None:
    leaf.grad = None


def stepped(leaf: Any) -> None:
    with torch.no_grad():
        leaf -= leaf.grad
    leaf.grad = None


def looked_at(leaf: Any) -> None:
    assert leaf.grad is not None


HOOKS = {"doubled": doubled, "replaced": replaced, "dropped": dropped, "stepped": stepped, "looked at": looked_at}


def hooked(hook: Callable[[Any], None] | None) -> nn.Module:
    torch.manual_seed(0)
    module = nn.Linear(3, 2).double()
    if hook is not None:
        module.weight.register_post_accumulate_grad_hook(hook)
    return module


@pytest.mark.parametrize("name", HOOKS)
@pytest.mark.parametrize("command", ["eval", "check"])
def test_grad_is_what_such_a_hook_leaves(command: str, name: str) -> None:
    theirs, plain = hooked(HOOKS[name]), hooked(None)
    for module in (theirs, plain):
        module(X).square().sum().backward()
    ours = hooked(HOOKS[name])
    before = ours.weight.detach().clone()
    report = evaluate_code(lambda x: ours(x).square().sum(), Settings(command=command, formulas=False), [X])
    weight = next(tensor for tensor in report.tensors if tensor.name.endswith("weight"))
    assert (report.verdict, weight.verdict) == ("match", "match")
    torch.testing.assert_close(weight.gradient, plain.weight.grad)
    torch.testing.assert_close(weight.grad, theirs.weight.grad)
    assert ("after the gradient had arrived" in (weight.note or "")) == (name != "looked at")
    assert torch.equal(ours.weight, before)


def test_the_copy_of_a_module_has_its_hooks_and_backward_adds_to_what_they_leave() -> None:
    theirs, calls = hooked(doubled), []
    for _ in range(3):
        theirs(X).square().sum().backward()
        calls.append(theirs.weight.grad.clone())
    settings = Settings(command="accumulate", times=3, reduce="sum", formulas=False)
    report = evaluate_code(_Squared(hooked(doubled)), settings, [X])
    assert report.verdict == "match"
    found = [next(leaf for leaf in call.leaves if leaf.name.endswith("weight")).grad for call in
             report.details.accumulation.calls]  # fmt: skip
    torch.testing.assert_close(found, calls)


class _Squared(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x).square()
