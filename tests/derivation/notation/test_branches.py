"""What all branches of a choice are multiplied by stands in front of it, and what is left may be a bound."""

from __future__ import annotations

import pytest
import torch

from gradcli.derivation.notation.bounded import with_bounds
from gradcli.derivation.notation.branches import with_factors

G = torch.Generator().manual_seed(0)
VALUES = {
    "x": torch.randn(4, generator=G, dtype=torch.float64),
    "v": 2 * torch.randn(4, generator=G, dtype=torch.float64),
    "w": torch.randn(3, generator=G, dtype=torch.float64),
    "X": torch.randn(4, 3, generator=G, dtype=torch.float64),
}
FUNCTIONS = {name: getattr(torch, name) for name in ("where", "clamp", "outer", "exp")}


def value(text: str) -> torch.Tensor:
    found: torch.Tensor = eval(text, {**VALUES, **FUNCTIONS})  # noqa: S307 (text from below)
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "where((v < -1)[:, None], -w, where((v > 1)[:, None], w, outer(v, w)))",
            "w*where(v < -1, -1, where(v > 1, 1, v))[:, None]",
        ),
        ("where(v > 0, x*v, 0)", "x*v*where(v > 0, 1, 0)"),
        ("where(v > 0, x*exp(v), -x)", "x*where(v > 0, exp(v), -1)"),
        # A row in one of the branches is no column.
        ("where((v > 0)[:, None], w*X, w*2)", "w*where((v > 0)[:, None], X, 2)"),
        ("where(v > 0, x, v)", "where(v > 0, x, v)"),
        ("where(v > 0, 2*x, 2)", "where(v > 0, 2*x, 2)"),
    ],
)
def test_common_factors_are_in_front(text: str, found: str) -> None:
    assert with_factors(text) == found
    torch.testing.assert_close(value(found), value(text).expand_as(value(found)))


def test_what_is_left_is_a_bound() -> None:
    text = "where((v < -1)[:, None], -w, where((v > 1)[:, None], w, outer(v, w)))"
    found = with_bounds(text)
    assert found == "w*clamp(v, -1, 1)[:, None]"
    torch.testing.assert_close(value(found), value(text))


def test_a_choice_that_remains_one_stays() -> None:
    for text in ("where(v > 0, x*v, 0)", "where(v > 0, x*exp(v), x)"):
        assert with_bounds(text) == text
