"""Choices of 0 where a softmax is 0 already: PyTorch computes the same without them."""

from __future__ import annotations

import math

import pytest
import torch

from gradcli.derivation.notation.hidden import without_hidden

X = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -3.0]], dtype=torch.float64)
NAMES = {"x": X, "m": torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]), "g": X + 0.3, "inf": math.inf}
NAMES |= {"softmax": torch.softmax, "where": torch.where}
S = "softmax(where(m > 0, x, -inf), dim=-1)"
OTHER = "softmax(where(m == 0, -inf, x), dim=-1)"


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        (f"where(m > 0, {S}*g, 0)", f"{S}*g"),
        (f"where(m > 0, -g*{S}/3, 0) + g", f"-g*{S}/3 + g"),
        (f"where(m == 0, 0, {OTHER}*g)", f"{OTHER}*g"),
        (f"where(m > 0, {S} + g, 0)", f"where(m > 0, {S} + g, 0)"),
        (f"where(m > 0, 0, {S}*g)", f"where(m > 0, 0, {S}*g)"),
        (f"where(m > 0, g, {S}*g)", f"where(m > 0, g, {S}*g)"),
        (f"where(x > 0, {S}*g, 0)", f"where(x > 0, {S}*g, 0)"),
    ],
)
def test_a_choice_of_0_goes_where_a_softmax_is_0(text: str, shorter: str) -> None:
    assert without_hidden(text) == shorter
    torch.testing.assert_close(eval(shorter, NAMES), eval(text, NAMES))  # type: ignore[arg-type]  # noqa: S307 (ours)
