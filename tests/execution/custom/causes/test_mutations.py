"""A backward with one wrong call: the call, in the words of what it does, whatever op it is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.report.custom import CustomDetails


class Function(torch.autograd.Function):
    """A matrix product, of which the tests write the backward."""

    @staticmethod
    def forward(context: Any, a: Tensor, b: Tensor) -> Tensor:
        context.save_for_backward(a, b)
        return a @ b


class Permuted(Function):
    @staticmethod
    def backward(context: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        a, b = context.saved_tensors
        return g.permute(1, 0) @ b.T, a.T @ g


class Swapped(Function):
    @staticmethod
    def backward(context: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        a, b = context.saved_tensors
        return torch.addmm(torch.zeros_like(a), b.T, g), a.T @ g


class Untransposed(Function):
    @staticmethod
    def backward(context: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        a, b = context.saved_tensors
        return torch.addmm(torch.zeros_like(a), g, b), a.T @ g


class Conjugated(torch.autograd.Function):
    """A product, without the conjugate that each gradient of complex numbers has."""

    @staticmethod
    def forward(context: Any, a: Tensor, b: Tensor) -> Tensor:
        context.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(context: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        a, b = context.saved_tensors
        return g * b, g * a


class ConjugatedTwice(Conjugated):
    @staticmethod
    def backward(context: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        a, b = context.saved_tensors
        return g * b.conj() * 1, g.conj() * a.conj()


class RaisingInNoGrad(Function):
    """With an operand transposed its product raises inside of no_grad, which must be left all the same."""

    @staticmethod
    def backward(context: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        a, b = context.saved_tensors
        with torch.no_grad():
            return 3 * a * (g @ b.T).sum(), a.T @ g


class Rolled(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return (x**2).roll(1, 0)

    @staticmethod
    def backward(context: Any, g: Tensor) -> Tensor:
        (x,) = context.saved_tensors
        return 2 * x * torch.roll(g, -1, 1)


class Flipped(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return (x**2).flip(0)

    @staticmethod
    def backward(context: Any, g: Tensor) -> Tensor:
        (x,) = context.saved_tensors
        return 2 * x * g.flip(1)


class Accumulated(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.cumsum(0)

    @staticmethod
    def backward(_: Any, g: Tensor) -> Tensor:
        return g.flip(0).cumsum(1).flip(0)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (Permuted, "without the transpose it is right"),
        (Swapped, "with the operands of the matrix product exchanged it is right"),
        (Untransposed, "with the second operand of the matrix product transposed it is right"),
        (Rolled, "along the wrong axis: with dims=0 in roll it is right"),
        (Flipped, "along the wrong axis: with dims=0 in flip it is right"),
        (Accumulated, "along the wrong axis: with dim=0 in cumsum it is right"),
    ],
)
def test_the_wrong_call_is_named(function: type[torch.autograd.Function], words: str) -> None:
    names = ("a", "b") if issubclass(function, Function) else ("x",)
    report = gradcli.check_function(function, shapes=dict.fromkeys(names, (3, 3)))
    assert str(report.verdict) == "mismatch"
    assert any(words in (tensor.note or "") for tensor in report.tensors), [tensor.note for tensor in report.tensors]


def test_a_conjugate_that_is_missing_is_named() -> None:
    report = gradcli.check_function(Conjugated, shapes={"a": (3,), "b": (3,)}, dtype="complex128")
    assert "with operand 2 of mul conjugated it is right" in (report["a"].note or "")
    assert "with operand 2 of mul conjugated it is right" in (report["b"].note or "")


def test_a_conjugate_too_many_is_named() -> None:
    report = gradcli.check_function(ConjugatedTwice, shapes={"a": (3,), "b": (3,)}, dtype="complex128")
    assert report["a"].verdict == "match"
    assert "without conj it is right" in (report["b"].note or "")


def test_a_change_that_raises_leaves_the_modes_of_autograd_alone() -> None:
    report = gradcli.check_function(RaisingInNoGrad, shapes={"a": (2, 3), "b": (3, 4)})
    assert report["a"].verdict == "mismatch"
    assert isinstance(report.details, CustomDetails)
    verdicts = {check.name: check.verdict for check in report.details.checks or ()}
    assert verdicts["gradients returned"] == verdicts["deterministic"] == verdicts["saved tensors"] == "match"
