"""Code that compares what is equal at the point: `eval` looks at both sides, or says that it has not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.report.verdict import Verdict


def point(*values: float, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(values, dtype=dtype)


def branch(x: Tensor) -> Tensor:
    return x.sum() if x.sum() > 0 else -x.sum()


def masked(x: Tensor) -> Tensor:
    mask = x.ge(0)
    return x[mask].sum() - x[~mask].sum()


def product(x: Tensor) -> Tensor:
    return ((x > 0) * x - (x <= 0) * x).sum()


def written(x: Tensor) -> Tensor:
    y = x.clone()
    y[x < 0] = 0
    return y.sum()


def truth(x: Tensor) -> Tensor:
    return (x * x).sum() if x.sum() else 3 * x.sum()


def jump(x: Tensor) -> Tensor:
    return x.sum() + 1 if x.sum() > 0 else x.sum()


def smooth(x: Tensor) -> Tensor:
    return (3 * x + x * x).sum() if x.sum() > 0 else 3 * x.sum() - x.sum() ** 2


def equal(x: Tensor) -> Tensor:
    return 2 * x.sum() if torch.equal(x, x * x) else (x + x * x).sum()


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (branch, Verdict.SUBGRADIENT),
        (masked, Verdict.SUBGRADIENT),
        (product, Verdict.SUBGRADIENT),
        (written, Verdict.SUBGRADIENT),
        (truth, Verdict.MISMATCH),  # x² on both sides, and 3x at 0 itself
        (jump, Verdict.UNDEFINED),
        (smooth, Verdict.MATCH),
        (equal, Verdict.MISMATCH),  # 1 on both sides, and 2 at 0 itself
    ],
)
def test_both_sides_are_looked_at(code: Callable[[Tensor], Tensor], verdict: Verdict) -> None:
    assert gradcli.evaluate(code, {"x": point(0.0)})["x"].verdict is verdict


@pytest.mark.parametrize("code", [branch, product, jump, equal])
def test_away_from_equality_there_is_nothing_to_say(code: Callable[[Tensor], Tensor]) -> None:
    leaf = gradcli.evaluate(code, {"x": point(0.5)})["x"]
    assert leaf.verdict is Verdict.MATCH
    assert leaf.note is None


def test_where_code_cannot_be_run_again_in_double_precision_that_is_said() -> None:
    leaf = gradcli.evaluate(branch, {"x": point(0.0, dtype=torch.float32)}, dtype="float32")["x"]
    assert leaf.verdict is Verdict.MATCH
    assert "compares what is equal at " in str(leaf.note)


def isolated(x: Tensor) -> Tensor:
    return x.sum() if x.max() == 1 else 2 * x.sum()


def rounds(x: Tensor) -> Tensor:
    while x.norm() > 1:
        x = x / 2
    return x.sum()


def branches(x: Tensor) -> Tensor:
    return (x[0] if x[0] >= 1 else x[0] + 1) * (x[1] if x[1] > 1 else x[1] + 1)


@pytest.mark.parametrize(
    ("code", "values"),
    [
        (lambda x: x * x if x >= 2 else x, (2.0,)),  # 4, and 2 to the left
        (isolated, (1.0, 0.5)),  # 1.5, and 3 to both sides
        (rounds, (4.0, 0.0)),  # 1, and 1/2 for any longer vector
        (branches, (1.0, 1.0)),  # two decisions at once: 2, 4, 1 and 2
    ],
)
def test_what_a_branch_makes_the_code_jump_by_is_no_rounding(
    code: Callable[[Tensor], Tensor], values: tuple[float, ...]
) -> None:
    start = torch.tensor(values[0], dtype=torch.float64) if len(values) == 1 else point(*values)
    leaf = gradcli.check(code, {"x": start})["x"]
    assert leaf.verdict is Verdict.UNDEFINED
    assert "jumps" in str(leaf.note)
