"""Which programs may take other calls: those with a condition of Python's, and not those that PyTorch decides."""

from __future__ import annotations

import pytest

from gradcli.inputs.programs import read
from gradcli.language.branching import may_branch
from gradcli.settings import Settings


@pytest.mark.parametrize(
    ("program", "branches"),
    [
        ("relu(x)*y", False),
        ("where(x > 0, x, -x)", False),
        ("y = 0\nfor i in range(3):\n    y = y + x**i\ny", False),
        ("x if x > 0 else -x", True),
        ("2*(1 + (x if x > 0 else -x))", True),
        ("if x > 0:\n    y = x\nelse:\n    y = -x\ny", True),
        ("y = x\nwhile y < 1:\n    y = 2*y\ny", True),
        ("y = x\nfor i in range(3):\n    if y > 1:\n        y = y/2\ny", True),
        ("where(x > 0 and x < 1, x, y)", True),
    ],
)
def test_a_program_may_branch(program: str, branches: bool) -> None:
    assert may_branch(read(program, Settings())) is branches
