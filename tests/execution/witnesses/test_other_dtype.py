"""What a mismatch's error in a different precision says: a planted wrong rule, and rounding."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gradcli.engine import evaluate_program
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


@pytest.mark.parametrize(
    ("cancels", "dtype", "words"),
    [
        (False, "float64", "a wrong rule, not rounding"),
        (False, "float32", "a wrong rule, not rounding"),
        (True, "float32", "rounding (cancellation), not a wrong rule"),
    ],
)
def test_a_wrong_rule_is_told_from_rounding(cancels: bool, dtype: str, words: str, plant: Callable[..., None]) -> None:
    def backward(gradient: Tensor, _: Tensor, result: Tensor) -> Tensor:
        return gradient * ((result + 1e5) - 1e5 if cancels else result * 1.0005)

    plant("exp", torch.exp, backward)
    settings = Settings(command="check", dtype=dtype, witnesses=("symbolic",), values={"x": [0.3, -0.7]}, reduce="sum")  # type: ignore[arg-type]
    report = evaluate_program("exp(x)", settings)
    assert report.verdict is Verdict.MISMATCH
    assert words in (report["x"].note or "")


def test_what_is_lost_in_both_is_no_wrong_rule() -> None:
    """PyTorch's s*(1 - s) is 0 where the sigmoid s is 1 in float32 and in float64."""
    note = evaluate_program("sigmoid(x)", Settings(command="check", values={"x": 40.0}))["x"].note
    assert "4.24" in str(note)
    assert "wrong rule" not in str(note)
