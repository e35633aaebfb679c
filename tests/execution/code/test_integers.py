"""Whole numbers that options give to code, where PyTorch takes them only as integers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradcli.engine import evaluate_code
from gradcli.errors import ExecutionError
from gradcli.inputs.values import parse_values
from gradcli.limits import Limits
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


class Classifier(nn.Module):
    """Tokens and labels are integers, weights are not."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.out = nn.Embedding(5, 4), nn.Linear(4, 3)

    def forward(self, tokens: Tensor, weights: Tensor, labels: Tensor) -> Tensor:
        losses = nn.functional.cross_entropy(self.out(self.embed(tokens)), labels, reduction="none")
        return (weights * losses).sum()


def checked(**values: Any) -> Any:
    return evaluate_code(Classifier().double(), Settings(command="check", values=values), {})


def test_every_input_that_has_to_hold_integers_holds_them_and_says_so() -> None:
    report = checked(tokens=[1, 3], weights=[1, 2], labels=[0, 2])
    assert report.verdict is Verdict.MATCH
    assert [report[name].requires_grad for name in ("tokens", "weights", "labels")] == [False, True, False]
    assert report["tokens"].value.tolist() == [1, 3]
    assert "read as integers, and so a constant" in str(report["labels"].note)
    losses = nn.functional.cross_entropy(
        Classifier().double().out(Classifier().double().embed(torch.tensor([1, 3]))),
        torch.tensor([0, 2]),
        reduction="none",
    )
    torch.testing.assert_close(report["weights"].gradient, losses.detach())


def test_what_is_not_whole_is_no_integer() -> None:
    with pytest.raises(ExecutionError, match="Long"):
        checked(tokens=[1, 3], weights=[1, 2], labels=[0, 1.5])


def test_a_parameter_is_given_a_value_by_its_path() -> None:
    values = parse_values(["out.bias=[1,2,3]", "tokens=[0,1]", "weights=[1,1]", "labels=[0,0]"], Limits())
    report = checked(**values)
    assert report["out.bias"].value.tolist() == [1.0, 2.0, 3.0]
    assert report.verdict is Verdict.MATCH
