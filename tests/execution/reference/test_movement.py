from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.execution.reference import movement

Move = Callable[[Tensor], Tensor]
M = torch.tensor([[True, False, True], [False, True, True]])
I = torch.tensor([2, 0, 0])  # noqa: E741 (an index)

# Calls that differ in one thing each, of what few entries do: what is remembered of one is nothing for another.
MOVES: dict[str, tuple[dict[str, Tensor], Move]] = {
    "x[m]": ({"m": M}, lambda x: x[M]),
    "x[m] ": ({"m": ~M}, lambda x: x[~M]),
    "x[:, i]": ({"i": I}, lambda x: x[:, I]),
    "x[:, i] ": ({"i": I.flip(0)}, lambda x: x[:, I.flip(0)]),
    "roll(x, 1, 0)": ({}, lambda x: x.roll(1, 0)),
    "roll(x, 1, 1)": ({}, lambda x: x.roll(1, 1)),
    "x[:, 1:]": ({}, lambda x: x[:, 1:]),
    "x[:, :2]": ({}, lambda x: x[:, :2]),
    "x[:, ::2]": ({}, lambda x: x[:, ::2]),
    "x.T[1:]": ({}, lambda x: x.T[1:]),
    "cat([x, 2*x], 0)": ({}, lambda x: torch.cat([x, 2 * x], 0)),
    "cat([2*x, x], 0)": ({}, lambda x: torch.cat([2 * x, x], 0)),
    "F.pad(x, (1, 0), value=1.5)": ({}, lambda x: torch.nn.functional.pad(x, (1, 0), value=1.5)),
    "F.pad(x, (0, 1), value=1.5)": ({}, lambda x: torch.nn.functional.pad(x, (0, 1), value=1.5)),
    "tril(x)": ({}, torch.tril),
    "tril(x, 1)": ({}, lambda x: torch.tril(x, 1)),
}


@pytest.mark.parametrize("program", MOVES)
def test_what_is_remembered_of_a_call_is_its_own(program: str) -> None:
    given, move = MOVES[program]
    x = torch.arange(1.0, 7.0, dtype=torch.float64).reshape(2, 3).requires_grad_()
    ((move(x) ** 3).sum()).backward()
    for _ in range(2):
        found = gradcli.evaluate(f"sum(({program.strip()})**3)", {"x": x.detach(), **given})
        assert torch.equal(found["x"].symbolic.value, x.grad)
        assert found.verdict == "match"


def test_little_is_remembered_of_little() -> None:
    for count in range(2, 12):
        gradcli.evaluate("sum(roll(x, 1)*x)", {"x": torch.ones(count, dtype=torch.float64)})
    assert len(movement._known) <= movement.MOST
    before = dict(movement._known)
    gradcli.evaluate("sum(roll(x, 1)*x)", {"x": torch.ones(2 * movement.SMALL, dtype=torch.float64)})
    assert movement._known == before
