from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from gradcli.derivation.tensor_program import Step, TensorProgram
from gradcli.execution.reference.adjoints import Adjoints
from gradcli.execution.reference.liveness import lives
from gradcli.execution.reference.nodes import Node
from gradcli.execution.reference.tensor_eval import evaluate

Steps = list[tuple[str, tuple[int, ...]]]


def program(steps: Steps, result: int) -> TensorProgram:
    """Return a program over two vectors x (value 0) and y (value 1); its steps are values 2, 3 and so on."""
    made = tuple(Step(function, inputs, ("i",) * len(inputs), "i") for function, inputs in steps)
    return TensorProgram(("x", "y"), ("i", "i"), (("i", "x", 0),), made, result, "i")


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("steps", "result", "expected"),
    [
        ([("mul", (0, 1)), ("exp", (2,)), ("add", (3, 0))], 4, lambda x, y: (x * y).exp() + x),
        # A value that is read again is not overwritten.
        ([("mul", (0, 1)), ("exp", (2,)), ("sub", (3, 2))], 4, lambda x, y: (x * y).exp() - x * y),
        ([("mul", (0, 1)), ("mul", (2, 2)), ("add", (3, 2))], 4, lambda x, y: (x * y) ** 2 + x * y),
        # Nor is one that a view shows.
        ([("mul", (0, 1)), ("relabel", (2,)), ("exp", (2,)), ("mul", (3, 4))], 5, lambda x, y: x * y * (x * y).exp()),
        # Nor an operand.
        ([("relabel", (0,)), ("exp", (2,)), ("add", (3, 0))], 4, lambda x, _: x.exp() + x),
        ([("lt", (0, 1)), ("where", (2, 0, 1)), ("neg", (3,))], 4, lambda x, y: -torch.minimum(x, y)),
    ],
)
def test_overwriting_changes_no_result(steps: Steps, result: int, expected: object) -> None:
    x, y = tensor(1.0, -2.0, 0.5), tensor(0.5, 3.0, -1.0)
    before = x.clone(), y.clone()
    found = evaluate(program(steps, result), {"x": x, "y": y})
    torch.testing.assert_close(found, expected(*before))  # type: ignore[operator]
    assert torch.equal(x, before[0])
    assert torch.equal(y, before[1])


def test_a_value_that_only_the_next_step_reads_is_overwritten() -> None:
    assert lives(program([("mul", (0, 1)), ("exp", (2,))], 3)).overwritten == (None, 0)


@pytest.mark.parametrize(("function", "fresh"), [("exp", True), ("relabel", False), ("expand", False)])
def test_a_view_is_not_fresh(function: str, fresh: bool) -> None:
    assert lives(program([(function, (0,))], 2)).fresh is fresh
    assert not lives(program([("exp", (0,))], 0)).fresh  # an operand


def test_a_number_is_the_same_in_each_run() -> None:
    steps = (Step("number", (), (), "", 3.0), Step("neg", (1,), ("",), ""), Step("add", (2, 1), ("", ""), ""))
    whole = TensorProgram(("x",), ("",), (), steps, 3, "")
    number = TensorProgram(("x",), ("",), (), steps[:1], 1, "")
    for _ in range(2):
        assert evaluate(whole, {"x": torch.tensor(0.0)}).item() == 0.0
        assert evaluate(number, {"x": torch.tensor(0.0)}).item() == 3.0
    assert lives(whole).overwritten == (None, None, 0)
    assert not lives(number).fresh


@pytest.mark.parametrize("order", [(True, False), (False, True), (False, False), (True, True)])
def test_adding_up_changes_no_contribution_that_others_read(order: tuple[bool, bool]) -> None:
    contributions = tensor(1.0, 2.0), tensor(10.0, 20.0), tensor(100.0, 200.0)
    node, adjoints = Node(tensor(0.0, 0.0), differentiable=True), Adjoints()
    for contribution, fresh in zip(contributions, (*order, False), strict=True):
        adjoints.add(node, contribution, fresh=fresh)
    assert torch.equal(adjoints.values[node], tensor(111.0, 222.0))
    assert torch.equal(contributions[2], tensor(100.0, 200.0))
    for contribution, fresh, value in zip(contributions, order, (1.0, 10.0), strict=False):
        assert fresh or float(contribution[0]) == value


# What other tests have left running in a process (threads, late answers, imports) makes cycles of its own.
ALONE = """
import gc, sys, torch, gradcli
inputs = {name: torch.rand(3, 3, dtype=torch.float64) for name in "xy"}
for _ in range(3):
    gc.collect()
    gradcli.check(sys.argv[1], inputs)
    print(gc.isenabled(), gc.collect())
"""


@pytest.mark.parametrize(
    "text",
    [
        "softmax(relu(x @ y.T), dim=-1).sum() + max(x, dim=0).values.sum() + linalg.inv(x + 3*eye(3)).sum()",
        "abs(x - x).sum() + cumsum(x*y, dim=0)[1].mean() + det(x)*std(y)",
    ],
)
def test_a_run_leaves_no_cycles_for_the_collector_that_it_pauses(text: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", ALONE, text]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[1:] == ["True 0", "True 0", ""]  # the first imports what the others need
