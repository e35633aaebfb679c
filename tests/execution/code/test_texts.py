"""What the results of calls are called where no variable holds them: the call, as the code writes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import gradcli


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (lambda x: x.half().sin().sum(), "x.half()"),
        (lambda x: (x + 1).float().sin().sum(), "(x + 1).float()"),
        (lambda x: x.to(torch.bfloat16).sin().sum(), "x.to(torch.bfloat16)"),
        (lambda x: x.type(dtype=torch.float32).sin().sum(), "x.type(dtype=torch.float32)"),
        (lambda x: x.type_as(torch.ones(1, dtype=torch.float16)).sin().sum(), "x.type_as(constant)"),
        (lambda x: x.clone().sin().sum(), "clone(x)"),
    ],
)
def test_a_conversion_is_called_as_it_is_written(code: Callable[[Tensor], Tensor], name: str) -> None:
    report = gradcli.evaluate(code, {"x": torch.tensor([0.5, 2.0], dtype=torch.float64)})
    names = [tensor.name for tensor in report.tensors]
    assert name in names
    assert f"sin({name})" in names
