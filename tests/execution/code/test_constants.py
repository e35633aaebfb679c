"""Gradients without a graph: for autograd they are constants, and the output changes by them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.report.report import TensorReport
from gradcli.report.verdict import Verdict


def asked(x: Tensor) -> Tensor:
    (g,) = torch.autograd.grad((x**3).sum(), x)
    return (x * (g + 1)).sum()


def read_as_a_number(x: Tensor) -> Tensor:
    (g,) = torch.autograd.grad((x**3).sum(), x)
    return (x * g.sum().item()).sum()


def filled(x: Tensor) -> Tensor:
    w = (2 * x).detach().requires_grad_()
    (w**3).sum().backward()
    assert w.grad is not None
    return (x * w.grad).sum()


def written(x: Tensor) -> Tensor:
    (g,) = torch.autograd.grad((x**3).sum(), x)
    kept = torch.zeros(2, dtype=torch.float64)
    kept[:] = g
    return (x * kept).sum()


def detached(x: Tensor) -> Tensor:
    (g,) = torch.autograd.grad((x**3).sum(), x)
    return (x * g.detach()).sum()


def unused(x: Tensor) -> Tensor:
    (g,) = torch.autograd.grad((x**3).sum(), x)
    (2 * g).norm()
    return (x**2).sum()


def with_a_graph(x: Tensor) -> Tensor:
    (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    return (x * g).sum()


# What computes with a gradient, in which of its lines, and what is said of it.
USED: list[tuple[Callable[[Tensor], Tensor], int, str]] = [
    (asked, 2, "the code computes at {} with a gradient that `torch.autograd.grad` returned without"),
    (read_as_a_number, 2, "a number leaves PyTorch by item() at {}, from a gradient without a graph"),
    (filled, 4, "the code computes at {} with a `.grad` that its own backward() has filled"),
    (written, 4, "the code computes at {} with a gradient that `torch.autograd.grad` returned without"),
]


def checked(function: Callable[[Tensor], Tensor], *witnesses: str) -> TensorReport:
    report = gradcli.check(function, {"x": torch.tensor([1.0, 2.0], dtype=torch.float64)}, witnesses=witnesses)
    return report["x"]


@pytest.mark.parametrize(("function", "line", "words"), USED)
def test_a_gradient_without_a_graph_leaves_all_undecided_and_is_named(
    function: Callable[[Tensor], Tensor], line: int, words: str
) -> None:
    found = checked(function, "symbolic")
    place = f"tests/execution/code/test_constants.py:{function.__code__.co_firstlineno + line}"
    assert found.verdict is Verdict.UNDECIDED
    assert words.format(place) in str(found.note)


@pytest.mark.parametrize("function", [detached, unused, with_a_graph])
def test_a_gradient_that_is_detached_or_unused_or_has_a_graph_is_no_such_constant(
    function: Callable[[Tensor], Tensor],
) -> None:
    assert checked(function, "symbolic").verdict is Verdict.MATCH


def test_forward_is_not_blamed_for_a_constant() -> None:
    found = checked(asked, "symbolic", "finite-difference")
    assert (found.verdict, found.dissenter) == (Verdict.UNDECIDED, "finite-difference")
    assert "forward may not compute" not in str(found.note)


def through_data(x: Tensor) -> Tensor:
    y = x * 2
    y.data.mul_(3)
    return (y * y).sum()


def through_a_view_of_what_is_detached(x: Tensor) -> Tensor:
    y = x * 2
    y.detach()[:1].mul_(3)
    return y.sum()


def under_no_grad(x: Tensor) -> Tensor:
    y = x * 2
    with torch.no_grad():
        y.mul_(3)
    return (y * y).sum()


def of_its_input(x: Tensor) -> Tensor:
    with torch.no_grad():
        x.mul_(3)
    return (x * x).sum()


def through_a_view_made_there(x: Tensor) -> Tensor:
    y = x * 2
    with torch.no_grad():
        entry = y[1:]
        entry.mul_(3)
        entry.add_(0)
    return (y * y).sum()


def of_a_constant(x: Tensor) -> Tensor:
    y = x * 2
    with torch.no_grad():
        y.sub_(y.mean())
    return (y * y).sum()


def what_backward_reads(x: Tensor) -> Tensor:
    y = x.exp()
    y.data.mul_(2)
    return y.sum()


def other_data(x: Tensor) -> Tensor:
    y = x * 2
    y.data = y.data * 3
    return (y * y).sum()


def to_a_new_leaf(x: Tensor) -> Tensor:
    w = torch.empty(2, dtype=x.dtype, requires_grad=True)
    with torch.no_grad():
        w.view_as(x).copy_(x)
        w.mul_(3)
    return (w * x).sum()


def to_a_copy(x: Tensor) -> Tensor:
    y = x * 2
    y.detach().clone().mul_(3)
    return y.sum()


@pytest.mark.parametrize(
    ("function", "verdict", "line", "past"),
    [
        (through_data, "undecided", 2, "through `.data`"),
        (other_data, "undecided", 2, "through `.data`"),
        (what_backward_reads, "undecided", 2, "through `.data`"),
        (through_a_view_of_what_is_detached, "undecided", 2, "through `detach()`"),
        (under_no_grad, "undecided", 3, "under `no_grad`"),
        (of_its_input, "undecided", 2, "under `no_grad`"),
        (through_a_view_made_there, "undecided", 4, "under `no_grad`"),
        (of_a_constant, "match", 3, "under `no_grad`"),
        (to_a_new_leaf, "match", 3, None),
        (to_a_copy, "match", 2, None),
    ],
)
def test_a_write_past_autograd_is_told(
    function: Callable[[Tensor], Tensor], verdict: str, line: int, past: str | None
) -> None:
    found = checked(function, "symbolic", "finite-difference")
    place = f"test_constants.py:{function.__code__.co_firstlineno + line}"
    assert found.verdict == verdict
    assert (f"{place} writes {past}, past autograd" in str(found.note)) == (past is not None)
    assert "forward may not compute" not in str(found.note)


@pytest.mark.parametrize(
    ("function", "autograd", "derivative"),
    [
        (through_data, lambda x: 24 * x, lambda x: 72 * x),
        (under_no_grad, lambda x: 24 * x, lambda x: 72 * x),
        (of_its_input, lambda x: 6 * x, lambda x: 18 * x),
        (through_a_view_made_there, lambda x: 24 * x, lambda x: 72 * x),
        (other_data, lambda x: 24 * x, lambda x: 0 * x),  # what is made of `.data` is a constant
    ],
)
def test_finite_differences_are_those_of_what_is_written(
    function: Callable[[Tensor], Tensor], autograd: Callable[[float], float], derivative: Callable[[float], float]
) -> None:
    found = checked(function, "symbolic", "finite-difference")
    assert found.witnesses is not None
    error = found.witnesses["finite-difference"].max_abs_error
    assert error == pytest.approx(abs(autograd(2.0) - derivative(2.0)), rel=1e-6)


def test_that_requires_grad_is_set_is_no_write_past_autograd() -> None:
    def code(x: Tensor) -> Tensor:
        y = x * 2
        return (y * y.detach().requires_grad_()).sum()

    report = gradcli.check(code, {"x": torch.ones(2, dtype=torch.float64)})
    assert not any("past autograd" in note.words for note in report["x"].notes)
