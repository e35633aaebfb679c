"""Jacobians and Hessians: of programs that compute with a gradient of their own, and of code, row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradcli.engine import evaluate_code, evaluate_program
from gradcli.report.verdict import Verdict
from gradcli.settings import Command, Settings

PENALTY = "y = (x**3).sum(); g, = torch.autograd.grad(y, x, create_graph=True); z = (g**2).sum(); z.backward()"
X = torch.tensor([1.5, 2.0], dtype=torch.float64)


def test_a_program_s_own_gradient_is_differentiated_in_its_own_graph() -> None:
    found = []
    commands: tuple[Command, ...] = ("jacobian", "hessian")
    for command in commands:
        report = evaluate_program(PENALTY, Settings(command=command, values={"x": X.tolist()}))
        assert report.verdict is Verdict.MATCH
        found.append(report.to_dict())
    jacobian = next(one for one in found[0]["tensors"] if one["name"] == "x")["jacobian"]
    torch.testing.assert_close(torch.tensor(jacobian, dtype=torch.float64), 36 * X**3)  # of the sum of (3x²)²
    hessian = torch.tensor(found[1]["hessian"]["x"]["x"], dtype=torch.float64)
    torch.testing.assert_close(hessian, torch.diag(108 * X**2))


def cases() -> list[tuple[Callable[..., Tensor], dict[str, Any], list[Tensor]]]:
    """Return functions with their inputs, and the derivative by each of these."""
    return [
        (lambda x: x * x, {"x": torch.tensor(3.0)}, [torch.tensor(6.0)]),
        (
            lambda x, y: x.sum() + y**2,
            {"x": torch.ones(0, 3), "y": torch.tensor(3.0)},
            [torch.ones(0, 3), torch.tensor(6.0)],
        ),
        (lambda x: 2 * x[:0], {"x": torch.ones(3)}, [torch.ones(0, 3)]),
        (lambda x: x**2, {"x": torch.ones(0, 2)}, [torch.ones(0, 2, 0, 2)]),
    ]


@pytest.mark.parametrize(("function", "inputs", "right"), cases())
def test_the_jacobian_of_code_has_the_shape_of_the_output_and_of_the_leaf(
    function: Callable[..., Tensor], inputs: dict[str, Any], right: list[Tensor]
) -> None:
    report = evaluate_code(function, Settings(command="jacobian", formulas=False), inputs)
    assert report.verdict == "match"
    for name, wanted in zip(inputs, right, strict=True):
        assert torch.equal(report[name].jacobian, wanted.double())
