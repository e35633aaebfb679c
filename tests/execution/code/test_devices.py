"""Code and programs on a GPU: they are checked there, and right ones match."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import gradcli
from gradcli.engine import check_function, evaluate_program
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

FUNCTIONS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_module_is_checked_where_it_is(dtype: str) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))
    report = gradcli.check(net.cuda(), (torch.randn(2, 3, 4, 4, device="cuda"),), dtype=dtype)
    assert report.device.startswith("cuda")
    assert report.verdict is Verdict.MATCH
    assert all(parameter.is_cuda and parameter.grad is None for parameter in net.parameters())


def test_a_function_may_make_tensors_there_and_move_them() -> None:
    def function(x: Tensor) -> Tensor:
        return (x @ torch.eye(4, device="cuda", dtype=x.dtype)).cpu().sin().sum().cuda()

    assert gradcli.check(function, (torch.randn(3, 4, device="cuda"),)).verdict is Verdict.MATCH


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("function", "verdict"), [("custom/ops.py:SquareSum", Verdict.MATCH), ("models/swish.py:Swish", Verdict.MISMATCH)]
)
def test_a_custom_function_is_checked_there(function: str, verdict: Verdict, dtype: str) -> None:
    settings = Settings("custom", device="cuda", shapes={None: (3, 4)}, dtype=dtype)  # type: ignore[arg-type]
    assert check_function(f"{FUNCTIONS}/{function}", settings).verdict is verdict


@pytest.mark.parametrize(
    "program",
    ["F.cross_entropy(relu(x), tensor([0, 1]))", "(x[tensor([0, 1])] @ randn(3)).sum() + ones(2, 3).mul(x).sum()"],
)
def test_what_a_program_makes_is_there_too(program: str) -> None:
    settings = Settings("check", device="cuda", shapes={"x": (2, 3)})
    assert evaluate_program(program, settings).verdict is Verdict.MATCH
