"""Writes in place of running code that read the memory which they write to, and such as only look like it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.execution.code import writing

SAME = "reads and writes the same memory"
STEP = 1e-6


def _shifted(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 1:] += y[:, :-1]
    return (y * y).sum()


def _strided(x: Tensor) -> Tensor:
    y = x.clone()
    y.t()[1].add_(y.view(-1)[::2][:4].detach())
    return (y * y).sum()


def _copied(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 1:].copy_(y[:, :-1])
    return (y * y).sum()


def _assigned(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 1:] = y[:, :-1]
    return (y * y).sum()


def _written_twice(x: Tensor) -> Tensor:
    y = x.reshape(-1).clone()
    windows = y.unfold(0, 2, 1)
    windows.copy_(torch.stack([x.reshape(-1)[:11], 2 * x.reshape(-1)[1:]], 1))
    return (y * y).sum()


def _shifted_by_foreach(x: Tensor) -> Tensor:
    y = x * 1
    torch._foreach_add_([y[:, 1:]], [y[:, :-1]])
    return (y * y).sum()


def _point() -> Tensor:
    return torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def _is_off(function: Callable[[Tensor], Tensor]) -> bool:
    """Return whether autograd's gradient is not what central differences give."""
    x = _point().requires_grad_()
    (gradient,) = torch.autograd.grad(function(x), x)
    moves = STEP * torch.eye(12, dtype=torch.float64).reshape(12, 4, 3)
    with torch.no_grad():
        differences = torch.stack([(function(x + move) - function(x - move)) / (2 * STEP) for move in moves])
    return not torch.allclose(gradient.reshape(-1), differences, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "function", [_shifted, _strided, _copied, _assigned, _written_twice, _shifted_by_foreach], ids=lambda f: f.__name__
)
def test_a_gradient_that_autograd_has_of_an_overlapping_write_is_refuted(function: Callable[[Tensor], Tensor]) -> None:
    assert _is_off(function)
    report = gradcli.check(function, {"x": _point()}, witnesses=["symbolic", "finite-difference"])
    assert report["x"].verdict == "mismatch"
    if function is not _shifted_by_foreach:
        assert SAME in str(report["x"].note)
        assert "test_overlapping.py:" in str(report["x"].note)


def test_without_difference_quotients_an_overlapping_write_is_undecided() -> None:
    report = gradcli.evaluate(_shifted, {"x": _point()})
    assert report.verdict == "undecided"
    assert SAME in str(report["x"].note)


def test_what_agrees_by_chance_is_no_match() -> None:
    report = gradcli.evaluate(_shifted, {"x": torch.zeros(4, 3, dtype=torch.float64)})
    assert report.verdict == "undecided"


def _other_tensor(x: Tensor) -> Tensor:
    y = x.clone()
    y[1:] += x[:-1]
    return (y * y).sum()


def _other_row(x: Tensor) -> Tensor:
    y = x.clone()
    y[0] += y[1]
    return (y * y).sum()


def _interleaved(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, ::2] += y[:, 1::2]
    return (y * y).sum()


def _transposed(x: Tensor) -> Tensor:
    y = x * 1
    y.T[0] += y.T[1]
    return (y * y).sum()


def _itself(x: Tensor) -> Tensor:
    y = x.clone()
    y += y
    z = y * 1
    z.add_(z.detach())
    return (z * y).sum()


def _filled_with_its_own(x: Tensor) -> Tensor:
    y = x * 1
    y[:, 1:] = y[0, 0]
    y[:, 1:].masked_fill_(x[:, 1:] > 0, y[0, 1])
    return (y * y).sum()


@pytest.mark.parametrize(
    "function",
    [_other_tensor, _other_row, _interleaved, _transposed, _itself, _filled_with_its_own],
    ids=lambda f: f.__name__,
)
def test_a_write_beside_what_is_read_is_followed(function: Callable[[Tensor], Tensor]) -> None:
    assert gradcli.evaluate(function, {"x": _point()}).verdict == "match"


def test_difference_quotients_see_what_is_written_through_a_view() -> None:
    witnesses = gradcli.check(_interleaved, {"x": _point()}, witnesses=["finite-difference"])["x"].witnesses
    assert witnesses is not None
    assert witnesses["finite-difference"].verdict == "match"


def test_a_write_that_leaves_something_else_in_memory_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is compared with what the op computes, whatever else may be known of the call."""
    for name in ("clashes", "reads_what_it_assigns"):
        monkeypatch.setattr(writing, name, lambda *_: False)
    for function in (_shifted, _copied):
        report = gradcli.evaluate(function, {"x": _point()})
        assert report.verdict == "undecided"
        assert "does not leave in memory" in str(report["x"].note)


WRITES_TO_A_VIEW = """
import torch
import gradcli

class AddOne(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.add_(1)

    @staticmethod
    def backward(ctx, g):
        return g

def code(x):
    y = x.clone()
    AddOne.apply(y[0])
    return (y * y).sum()

report = gradcli.check(code, {"x": [[0.5, -1.5], [2.0, 3.0]]})
print(report.verdict, report["x"].gradient.tolist())
"""


def test_a_function_that_writes_to_a_view_is_not_asked_about_it_meanwhile() -> None:
    """PyTorch holds the view's lock then, and nothing but the end of the process ends a wait for it."""
    done = subprocess.run([sys.executable, "-c", WRITES_TO_A_VIEW], capture_output=True, text=True, timeout=120)  # noqa: PLW1510
    assert done.stdout == "undecided [[3.0, -1.0], [4.0, 6.0]]\n"
