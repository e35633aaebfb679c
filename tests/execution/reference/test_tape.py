"""The tape runs PyTorch's own functions on values that a definition may have laid out in memory as PyTorch has not."""

from __future__ import annotations

import pytest
import torch

import gradcli


@pytest.mark.parametrize(
    "program", ["take_along_dim(torch.fft.rfft2(x).abs(), tensor([3, 0, 0]))", "torch.fft.rfft2(x).abs().view(-1)"]
)
def test_a_call_that_needs_some_layout_of_memory_is_derived(program: str) -> None:
    value = torch.tensor([[0.5, -1.25, 2.0], [0.75, 3.0, -0.25]], dtype=torch.float64)
    report = gradcli.evaluate(program, {"x": value}, grad_output="ones")
    x = value.clone().requires_grad_()
    size = torch.fft.rfft2(x).abs()
    output = size.take_along_dim(torch.tensor([3, 0, 0])) if "take" in program else size.view(-1)
    output.sum().backward()
    assert report.verdict == "match"
    assert report["x"].symbolic is not None
    torch.testing.assert_close(report["x"].symbolic.value, x.grad, rtol=1e-12, atol=1e-14)
