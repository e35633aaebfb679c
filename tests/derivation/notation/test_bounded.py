"""Choices written as bounds: PyTorch computes the same of both, inside and outside of the bounds."""

from __future__ import annotations

import pytest
import torch

from gradcli.derivation.notation.bounded import with_bounds

X = torch.tensor([-7.0, -3.0, -1.0, -0.5, 0.0, 0.25, 1.0, 2.0, 6.0, 9.0], dtype=torch.float64)
NAMES = {"x": X, "y": X.flip(0) * 1.5, "g": X + 0.3, "clamp": torch.clamp, "clamp_min": torch.clamp_min}
NAMES |= {"sign": torch.sign, "clamp_max": torch.clamp_max, "logical_or": torch.logical_or, "abs": torch.abs}


def where(test: torch.Tensor, one: torch.Tensor | float, other: torch.Tensor | float) -> torch.Tensor:
    """Return a choice; a number is one of double precision."""
    return torch.where(test, torch.as_tensor(one).double(), torch.as_tensor(other).double())


@pytest.mark.parametrize(
    ("text", "bounded"),
    [
        ("where(x < -1, -g, where(x > 1, g, x*g))", "clamp(x, -1, 1)*g"),
        ("where(x <= 0, 0, where(x >= 6, 6*g, x*g))", "clamp(x, 0, 6)*g"),
        ("where(x - y < -1, 1/3, where(x - y > 1, -1/3, (y - x)/3))", "-clamp(x - y, -1, 1)/3"),
        ("where(x < -1, -1/3, where(x > 1, 1/3, x/3))", "clamp(x, -1, 1)/3"),
        ("where(x > 6/5, 6/5, where(x < 4/5, 4/5, x))", "clamp(x, 4/5, 6/5)"),
        ("where(x > 1/2, g/2, x*g)", "clamp_max(x, 1/2)*g"),
        ("where(x >= 1, 0, where(x <= -1, 0, g))", "where(abs(x) >= 1, 0, g)"),
        ("where(logical_or(x > 1/2, x < -1/2), g, 0)", "where(abs(x) > 1/2, g, 0)"),
        ("where(logical_or(x > 1, x <= -1), g, 0)", "where(logical_or(x > 1, x <= -1), g, 0)"),
        ("where(logical_or(x > 1, x < -2), g, 0)", "where(logical_or(x > 1, x < -2), g, 0)"),
        ("where(x > 1, g, 2*x*g)", "where(x > 1, g, 2*x*g)"),
        ("where(abs(x) < 1, x*g, sign(x)*g)", "clamp(x, -1, 1)*g"),
        ("where(abs(x - y) < 2, (x - y)/4, sign(x - y)/2)", "clamp(x - y, -2, 2)/4"),
        ("where(abs(x) < 2, x, sign(x))", "where(abs(x) < 2, x, sign(x))"),
        ("where(x <= -3, 0, where(x >= 3, g, g*x/3))", "where(x <= -3, 0, clamp_max(x, 3)*g/3)"),
    ],
)
def test_a_choice_at_bounds_is_a_bound(text: str, bounded: str) -> None:
    found = with_bounds(text)
    expected = eval(text, {**NAMES, "where": where})  # noqa: S307 (of this file)
    torch.testing.assert_close(torch.as_tensor(eval(found, {**NAMES, "where": where})), expected)  # noqa: S307 (as above)
    assert sorted(found) == sorted(bounded), found
