"""What a mismatch's error in another precision says: a planted wrong rule, and rounding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gradcli.engine import evaluate_program
from gradcli.execution.forward import tracer
from gradcli.report.report import Verdict
from gradcli.settings import Settings


class Wrong(torch.autograd.Function):
    """The exponential with a wrong rule, or with one that cancels."""

    cancels = False

    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        context.save_for_backward(value.exp())
        return value.exp()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        (result,) = context.saved_tensors
        return gradient * ((result + 1e5) - 1e5 if Wrong.cancels else result * 1.0005)


@pytest.mark.parametrize(
    ("cancels", "dtype", "words"),
    [
        (False, "float64", "a wrong rule, not rounding"),
        (False, "float32", "a wrong rule, not rounding"),
        (True, "float32", "rounding (cancellation), not a wrong rule"),
    ],
)
def test_a_wrong_rule_is_told_from_rounding(
    cancels: bool, dtype: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = tracer.target_of
    monkeypatch.setattr(tracer, "target_of", lambda op, call: Wrong.apply if op.name == "exp" else original(op, call))
    monkeypatch.setattr(Wrong, "cancels", cancels)
    settings = Settings(command="check", dtype=dtype, witnesses=("symbolic",), values={"x": [0.3, -0.7]}, reduce="sum")  # type: ignore[arg-type]
    report = evaluate_program("exp(x)", settings)
    assert report.verdict is Verdict.MISMATCH
    assert words in (report["x"].note or "")
