"""A record that is added to the op table is run, verified, listed and shown, with no other change."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from gradcli import catalogue
from gradcli.cli.app import main
from gradcli.engine import evaluate_program
from gradcli.execution.forward.callables import function
from gradcli.ops import table
from gradcli.ops.record import Kind, Op
from gradcli.ops.table import OPS
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


class SoftCap(torch.autograd.Function):
    """cap·tanh(x/cap), whose backward may be made wrong."""

    factor = 1.0

    @staticmethod
    def forward(context: Any, value: Tensor, cap: float) -> Tensor:
        context.save_for_backward(value)
        context.cap = cap
        return cap * torch.tanh(value / cap)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (value,) = context.saved_tensors
        slope = 1 - torch.tanh(value / context.cap) ** 2
        return SoftCap.factor * gradient * slope, None


RECORD = Op(
    signature="softcap(input, cap=3.0)",
    torch="added_in_a_test.softcap",
    kind=Kind.POINTWISE,
    definition="cap*tanh(input/cap)",
    family="activations",
    examples=("softcap(x, 2.0) | x=2x3",),
)


@pytest.fixture
def _added(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the record to the table, and its callable to the modules that there are: nothing else."""
    module = ModuleType("added_in_a_test")
    module.softcap = lambda value, cap=3.0: SoftCap.apply(value, cap)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(table._BY_NAME, RECORD.name, RECORD)
    monkeypatch.setattr(catalogue, "OPS", (*OPS, RECORD))
    function.cache_clear()


@pytest.mark.usefixtures("_added")
@pytest.mark.parametrize("program", ["softcap(x)", "F.softcap(x, cap=2.0)", "(x*y).softcap(1.5) + y"])
def test_an_added_op_is_run_and_verified(program: str) -> None:
    report = evaluate_program(
        program, Settings(values={"x": [0.5, -2.0]} | ({"y": 3.0} if "y" in program else {}), grad_output="ones")
    )
    assert report.verdict is Verdict.MATCH
    assert report["x"].symbolic is not None


@pytest.mark.usefixtures("_added")
def test_an_added_op_s_wrong_backward_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SoftCap, "factor", 2.0)
    assert evaluate_program("softcap(x)", Settings(values={"x": 0.5})).verdict is Verdict.MISMATCH


@pytest.mark.usefixtures("_added")
def test_an_added_op_is_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ops", "--json"]) == 0
    assert RECORD.name in [op["name"] for op in json.loads(capsys.readouterr().out)]
    assert main(["ops", "softcap"]) == 0
    shown = capsys.readouterr().out
    assert "definition  cap*tanh(input/cap)" in shown
    assert "x: 1 - tanh(x/2)**2" in shown
    assert main(["eval", "softcap(x, height=2)"]) == 2
    assert "softcap() has no argument 'height'" in capsys.readouterr().err
