"""Which calls round nothing: those whose results are among their operands, whatever these are."""

from __future__ import annotations

from typing import Any

import pytest

from gradcli.execution.forward.run import run_program
from gradcli.execution.forward.selecting import selects
from gradcli.inputs.programs import read
from gradcli.settings import Settings

X = {"x": [1.0, 3.0, 2.0]}
SELECTING = [
    "relu(x)", "abs(x)", "-x", "sort(x)[0]", "cummax(x, 0)[0]", "x.amax()", "clamp(x, 0.5, 2.5)", "clamp(x, 1, 2)",
    "where(x > 2, x, -x)", "F.hardtanh(x)", "x[1:]", "x.reshape(3, 1)", "norm(x, inf)", "x*1", "x - x", "cat([x, x])",
]  # fmt: skip
ROUNDING = ["x + 1", "x*x", "sum(x)", "sin(x)", "F.hardswish(x)", "softmax(x, 0)", "norm(x)", "x/3", "cumsum(x, 0)"]


def selects_last(program: str, values: dict[str, Any]) -> bool:
    settings = Settings(command="check")
    return selects(run_program(read(program, settings), settings, values).calls[-1])


@pytest.mark.parametrize("program", SELECTING)
def test_what_only_selects_does_not_round(program: str) -> None:
    assert selects_last(program, X)


@pytest.mark.parametrize("program", ROUNDING)
def test_what_computes_rounds(program: str) -> None:
    assert not selects_last(program, X)


@pytest.mark.parametrize(("x", "selected"), [([1.0, 3.0], True), ([1.0, -3.0], False), ([0.0, 3.0], True)])
def test_whether_an_op_selects_may_be_a_matter_of_sign(x: list[float], selected: bool) -> None:
    assert selects_last("F.leaky_relu(x, 0.3)", {"x": x}) is selected


@pytest.mark.parametrize("program", ["x + y", "hypot(x, y)"])
def test_a_result_that_is_an_operand_only_here_was_rounded(program: str) -> None:
    assert not selects_last(program, {"x": 1e17, "y": 1.0})
