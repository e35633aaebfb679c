"""Functions whose forward decides by its values: forward itself is asked, and not only autograd of its body."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.report.report import Report


class CubeRoot(torch.autograd.Function):
    """The cube root by halving; d t**(1/3) / dt is 1/(3*t**(2/3))."""

    @staticmethod
    def forward(context: Any, t: Tensor) -> Tensor:
        low, high = torch.zeros_like(t), 1 + t
        for _ in range(60):
            middle = (low + high) / 2
            below = middle**3 < t
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        context.save_for_backward((low + high) / 2)
        return (low + high) / 2

    @staticmethod
    def backward(context: Any, grad_output: Tensor) -> Tensor:
        (root,) = context.saved_tensors
        return grad_output / (3 * root**2)


class Wrong(CubeRoot):
    """The same with a factor that is wrong."""

    @staticmethod
    def backward(context: Any, grad_output: Tensor) -> Tensor:
        (root,) = context.saved_tensors
        return grad_output / (2 * root**2)


class Largest(torch.autograd.Function):
    """The largest entry, with a gradient of 1 for each that is as large."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return x.amax()

    @staticmethod
    def backward(context: Any, grad_output: Tensor) -> Tensor:
        (x,) = context.saved_tensors
        return grad_output * (x == x.amax())


class Sparsemax(torch.autograd.Function):
    """Martins and Astudillo (2016), with a backward that forgets to centre the gradient on the support."""

    @staticmethod
    def forward(context: Any, z: Tensor) -> Tensor:
        ordered = z.sort(descending=True).values
        sums, counts = ordered.cumsum(0), torch.arange(1, len(z) + 1, dtype=z.dtype)
        size = (1 + counts * ordered > sums).sum()
        p = (z - (sums[size - 1] - 1) / size).clamp(min=0)
        context.save_for_backward(p)
        return p

    @staticmethod
    def backward(context: Any, grad_output: Tensor) -> Tensor:
        (p,) = context.saved_tensors
        return grad_output * (p > 0)


def check(function: Any, **values: list[float]) -> Report:
    return gradcli.check_function(function, {name: torch.tensor(v, dtype=torch.float64) for name, v in values.items()})


def test_a_body_that_is_not_the_derivative_of_forward_does_not_judge() -> None:
    report = check(CubeRoot, t=[0.5, 8.0])
    assert report.verdict == report["t"].verdict == "undecided"
    assert "`--reference PROGRAM`" in (report["t"].note or "")
    assert not [check.name for check in report.details.checks if check.verdict == "mismatch"]


def test_a_wrong_backward_is_wrong_by_every_witness() -> None:
    report = check(Wrong, t=[0.5, 8.0])
    assert report.verdict == "mismatch"
    assert "decides by its values" in (report["t"].note or "")


def test_a_kink_is_not_blamed_on_what_forward_decides() -> None:
    """At [1, 0, -1] the second entry is at the border of the support; nearby, autograd of the body is right."""
    report = check(Sparsemax, z=[1.0, 0.0, -1.0])
    assert report["z"].verdict == "mismatch"
    assert "at this kink" in (report["z"].note or "")
    assert "decides" not in (report["z"].note or "")


@pytest.mark.parametrize(("x", "wanted"), [([1.0, 1.0, 0.0], "mismatch"), ([1.0, 2.0, 0.0], "match")])
def test_a_gradient_between_one_sided_derivatives_by_entry_may_be_none(x: list[float], wanted: str) -> None:
    assert check(Largest, x=x)["x"].verdict == wanted


class Larger(torch.autograd.Function):
    """The larger of two, with a gradient of 1 for both where they tie: each is a choice, and together they are none."""

    @staticmethod
    def forward(context: Any, x: Tensor, y: Tensor) -> Tensor:
        context.save_for_backward(x, y)
        return torch.maximum(x, y)

    @staticmethod
    def backward(context: Any, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        x, y = context.saved_tensors
        return grad_output * (x >= y), grad_output * (y >= x)


class FirstOfLarger(Larger):
    """The same with the whole gradient for the first where they tie, which is a choice."""

    @staticmethod
    def backward(context: Any, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        x, y = context.saved_tensors
        return grad_output * (x >= y), grad_output * (y > x)


@pytest.mark.parametrize(("function", "wanted"), [(Larger, "mismatch"), (FirstOfLarger, "match")])
def test_choices_of_several_inputs_at_a_kink_are_judged_together(function: Any, wanted: str) -> None:
    report = gradcli.check_function(function, shapes={"x": (2, 3), "y": (2, 3)})
    assert report["x"].verdict == report["y"].verdict == "match"
    assert report.verdict == wanted
    notes = [check.note or "" for check in report.details.checks if check.name == "other points"]
    assert ("together they are none" in notes[0]) == (wanted == "mismatch")


class Shifted(torch.autograd.Function):
    """Adds to each entry the sum of those before it, as PyTorch goes through them: a write in place that overlaps."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        y = x.clone()
        y[:, 1:] += y[:, :-1]
        return y

    @staticmethod
    def backward(_: Any, grad_output: Tensor) -> Tensor:
        return grad_output.flip(-1).cumsum(-1).flip(-1)


class ShiftedOnce(Shifted):
    """The same with autograd's gradient, which is not that of what forward computes."""

    @staticmethod
    def backward(_: Any, grad_output: Tensor) -> Tensor:
        found = grad_output.clone()
        found[:, :-1] += grad_output[:, 1:]
        return found


def test_a_forward_that_reads_what_it_writes_is_not_held_against_its_backward() -> None:
    x = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Shifted.apply(x), x.cumsum(-1))
    report = gradcli.check_function(Shifted, {"x": x})
    assert report.verdict == "undecided"
    assert "reads and writes the same memory" in str(report["x"].note)
    assert "refuses" not in str(report.to_dict()["checks"])
    assert gradcli.check_function(ShiftedOnce, {"x": x})["x"].verdict == "mismatch"
