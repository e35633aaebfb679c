"""Zeros that PyTorch keeps without storage, as the gradient of `sgn`: they are read like any other."""

from __future__ import annotations

import torch

from gradcli.engine import evaluate_program
from gradcli.settings import Settings


def test_a_zero_without_storage_is_read_as_zeros() -> None:
    x = torch.tensor([2.0, -3.0], requires_grad=True)
    torch.sgn(x).sum().backward()
    assert x.grad is not None
    assert x.grad._is_zerotensor()
    for settings in (Settings(values={"x": [2.0, -3.0]}), Settings(values={"x": [2.0, -3.0]}, wrt=("x",))):
        found = evaluate_program("torch.sgn(x).sum()", settings)
        assert found.to_dict()["tensors"][0]["gradient"] == [0.0, 0.0]
        assert found.verdict == "match"
