"""Each call's `.grad` is what a training loop in plain PyTorch leaves, and the sums are verified as sums."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor, nn

from gradcli.engine import evaluate_code, evaluate_program
from gradcli.execution.commands import accumulate as module
from gradcli.report.accumulate import AccumulateDetails
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


def accumulate(program: str, **settings: object) -> Report:
    return evaluate_program(program, Settings(command="accumulate", **settings))  # type: ignore[arg-type]


def details(report: Report) -> AccumulateDetails:
    assert isinstance(report.details, AccumulateDetails)
    return report.details


def loop(values: list[float], times: int, zero_grad: str | None, rate: float | None) -> list[list[Tensor | None]]:
    """Return `.grad` of x and y after each call, as torch.optim leaves it, for the loss (x*y - 1)**2 + x."""
    x, y = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values)
    optimizer = torch.optim.SGD([x, y], lr=rate or 0.0)
    grads: list[list[Tensor | None]] = []
    for _ in range(times):
        if zero_grad:
            optimizer.zero_grad(set_to_none=zero_grad == "none")
        ((x * y - 1) ** 2 + x).backward()
        grads.append([None if leaf.grad is None else leaf.grad.clone() for leaf in (x, y)])
        optimizer.step()
    return grads


@pytest.mark.parametrize("zero_grad", [None, "none", "zeros"])
@pytest.mark.parametrize("rate", [None, 0.03])
def test_calls_are_those_of_a_training_loop(zero_grad: str | None, rate: float | None) -> None:
    settings = {"times": 5, "zero_grad": zero_grad, "learning_rate": rate, "values": {"x": 1.5, "y": -0.5}}
    report = accumulate("(x*y - 1)**2 + x", **settings)
    assert report.verdict is Verdict.MATCH
    for call, grads in zip(details(report).calls, loop([1.5, -0.5], 5, zero_grad, rate), strict=True):
        torch.testing.assert_close([call["x"], call["y"]], grads, rtol=1e-14, atol=0)


@pytest.mark.parametrize(("zero_grad", "before"), [(None, 3.0), ("none", None), ("zeros", 0.0)])
def test_what_grad_holds_before_the_second_call(zero_grad: str | None, before: float | None) -> None:
    report = accumulate("w1*w2", times=2, zero_grad=zero_grad)
    found = details(report).accumulation.calls[1].leaves[0].before
    assert (None if found is None else found.item()) == before


def test_an_earlier_call_is_not_changed_by_a_later_one() -> None:
    report = accumulate("(x*x).sum()", times=3, learning_rate=0.5, shapes={"x": (2,)})
    assert [call.leaves[0].value.tolist() for call in details(report).accumulation.calls] == [[2, 2], [0, 0], [-2, -2]]
    assert [call["x"].tolist() for call in details(report).calls] == [[4, 4], [4, 4], [0, 0]]


def test_the_output_of_each_call_is_there_even_beside_a_leaf_of_that_name() -> None:
    assert [call["output"].item() for call in details(accumulate("w*w", times=2)).calls] == [4, 4]
    calls = details(accumulate("output*output", times=2)).calls
    assert [(call["output"].item(), call["output (2)"].item()) for call in calls] == [(4, 4), (8, 4)]


def test_a_leaf_that_nothing_reaches_keeps_none_and_a_constant_is_left_out() -> None:
    report = accumulate("y = unused*2; w*c", times=2, constants=("c",))
    assert [set(call) for call in details(report).calls] == [{"unused", "w", "output"}] * 2
    assert [call["unused"] for call in details(report).calls] == [None, None]
    json.dumps(report.to_dict(), allow_nan=False)


def test_sums_that_cancel_are_no_mismatch() -> None:
    # Steps of 1 on a parabola jump over its minimum: gradients 2/3, -2/3 ... sum to rounding noise.
    settings = {"times": 6, "learning_rate": 1.0, "zero_grad": "none", "values": {"x": 1 / 3}}
    assert accumulate("x*x", **settings).verdict is Verdict.MATCH


def test_a_sum_that_is_not_that_of_the_calls_is_a_mismatch(monkeypatch: pytest.MonkeyPatch) -> None:
    after = module._after

    def doubled(leaf: Tensor, settings: Settings) -> Tensor:
        following = after(leaf, settings)
        following.grad = following.grad * 2 if following.grad is not None else None
        return following

    monkeypatch.setattr(module, "_after", doubled)
    report = accumulate("w1*w2", times=2)
    assert report["w1"].verdict is Verdict.MISMATCH
    assert (report["w1"].note or "").startswith("call 2: .grad is not the sum of the calls' derivatives")


def test_a_wrong_gradient_in_an_early_call_is_the_verdict() -> None:
    # log's argument is negative only in the first call.
    report = accumulate("log(x) * 0 + (x - 3)**2", times=2, zero_grad="none", learning_rate=0.5, values={"x": 0.0})
    assert report["x"].verdict is Verdict.UNDEFINED
    assert (report["x"].note or "").startswith("call 1: ")


class Looked(nn.Module):
    """Squares of rows that are looked up, whose gradient PyTorch keeps as a sparse tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Embedding(3, 2, sparse=True)

    def forward(self) -> Tensor:
        return self.rows(torch.tensor([0, 2, 0])).square().sum()


@pytest.mark.parametrize("command", ["accumulate", "double-backward"])
def test_a_sparse_gradient_adds_up(command: str) -> None:
    looked = Looked().double()
    data = evaluate_code(looked, Settings(command=command, times=2, formulas=False)).to_dict()  # type: ignore[arg-type]
    calls = data["calls"] if command == "accumulate" else data["lifecycle"]["with_retain_graph"]["grads"]
    once = looked.rows.weight.detach() * torch.tensor([[4.0], [0.0], [2.0]])
    for number, call in enumerate(calls, 1):
        torch.testing.assert_close(torch.tensor(call["rows.weight"], dtype=torch.float64), number * once)
    assert data["verdict"] == "match"
