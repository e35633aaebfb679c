"""Which programs only the kinds of their leaves decide."""

from __future__ import annotations

import pytest

from gradcli.execution.forward.straight import runs_straight
from gradcli.limits import Limits
from gradcli.ops.programs import parse_program

STRAIGHT = [
    "x*y + 1",
    "y = x @ W.T; z = y[:, 1:]; softmax(z / z.shape[0]**0.5, dim=-1).sum()",
    "a, b = chunk(x, 2); max(a, b).sum(dim=(0, 1))",
    "n, d = x.shape; x.reshape(n*d).abs()",
    "abs(x) + sum(x) + x.size(0)",
]
OTHERS = [
    "x if x > 0 else -x",
    "x * (1 if x > 0 and x < 2 else 2)",
    "x[x > 0]",
    "y = 0\nfor _ in range(3):\n    y = y + x\ny",
    "while x < 3:\n    x = 2*x\nx",
    "x * float(x.detach())",
    "x * x.detach().item()",
    "x * rand(3)",
    "dropout(x, 0.5)",
    "y = x*2; y.add_(1); y",
    "y = x*2; y += 1; y",
    "F.relu(x*2, inplace=True)",
    "x = torch.ones(2, requires_grad=True); x*x",
    "f = lambda t: t*t\nf(x)",
    "nn.Linear(2, 3)(x)",
    "torch.manual_seed(0); x*randn(2)",
    "with torch.no_grad():\n    y = x*2\ny*x",
    "(x*x).backward()",
]


@pytest.mark.parametrize("source", STRAIGHT)
def test_assignments_of_ops_run_straight(source: str) -> None:
    assert runs_straight(parse_program(source, Limits()))


@pytest.mark.parametrize("source", OTHERS)
def test_what_may_decide_draw_or_write_does_not(source: str) -> None:
    assert not runs_straight(parse_program(source, Limits()))
