"""What nodes save is read off them without an effect: against save_for_backward and PyTorch's own attributes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from gradcli.engine import evaluate_code
from gradcli.execution.autograd.saved_tensors import kept_by
from gradcli.report.double_backward import DoubleBackwardDetails
from gradcli.settings import Settings


def leaf(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def kept(result: Tensor) -> dict[str, Tensor | None]:
    return {f"{one.name}{'' if one.place is None else one.place}": one.tensor for one in kept_by(result.grad_fn)}


def test_a_node_of_an_operation() -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    found = kept(x * y)
    assert found["self"] is x
    assert found["other"] is y
    assert kept(x + y) == {}
    assert [*kept(x * torch.tensor([2.0, 3.0]))] == ["other"]  # the constant's gradient is not asked for


def test_several_under_one_name() -> None:
    x, places = leaf(1.0, 2.0, 3.0), torch.tensor([0, 2])
    found = kept(x[places])
    assert [*found] == ["indices0"]
    assert torch.equal(found["indices0"], places)  # type: ignore[arg-type]


class Product(torch.autograd.Function):
    """A Function that saves both of its operands."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, y = ctx.saved_tensors
        return gradient * y, gradient * x


def test_a_function_s_node() -> None:
    x, y = leaf(1.0), leaf(2.0)
    product: Tensor = Product.apply(x, y)
    found = kept(product)
    assert [*found] == ["saved_tensors0", "saved_tensors1"]
    assert found["saved_tensors0"] is x


def test_hooks_are_not_run() -> None:
    unpacked: list[int] = []

    def unpack(tensor: Tensor) -> Tensor:
        unpacked.append(1)
        return tensor

    x = leaf(1.0, 2.0)
    with saved_tensors_hooks(lambda tensor: tensor.detach(), unpack):
        y = x.exp()
    assert kept(y) == {"result": None}
    assert not unpacked


def test_what_was_written_to_since_is_named_and_not_shown() -> None:
    y = leaf(1.0, 2.0).exp()
    node = y.grad_fn
    y.add_(1)
    assert [(one.name, one.tensor) for one in kept_by(node)] == [("result", None)]


def multiplied(x: Tensor, y: Tensor) -> Tensor:
    product: Tensor = Product.apply(x, y)
    return product.sum()


@pytest.mark.parametrize("function", [multiplied, lambda x, y: (x + y).sum()])
def test_a_second_backward_through_a_function_is_predicted(function: Any) -> None:
    given = {"x": leaf(1.0, 2.0).detach(), "y": leaf(3.0, 4.0).detach()}
    report = evaluate_code(function, Settings(command="double-backward", times=2), given)
    assert isinstance(report.details, DoubleBackwardDetails)
    once = report.details.lifecycle.without_retain_graph
    assert once.predicted == once.observed == ("error" if function is multiplied else "ok")
    assert once.freed_by == ("product" if function is multiplied else None)
    assert report.verdict == "match"
