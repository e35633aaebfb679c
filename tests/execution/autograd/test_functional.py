"""Jacobians of code, row by row: of numbers, whose only row is a number, and of an empty output, which has no rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradcli.engine import evaluate_code
from gradcli.settings import Settings


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
