"""Triangles of matrices: the same values, and only where a mask is of all axes."""

from __future__ import annotations

import pytest
import torch

from gradcli.derivation.notation.shortened import shortened

SHAPES = {"X": (3, 3), "Y": (3, 3), "x": (3,), "L": (3, 3)}
WAYS = [
    ("tril(ones(3, 3))*X", "tril(X)"),
    ("tril(ones(3, 3), -1).T*(Y.T @ X)", "triu(Y.T @ X, 1)"),
    ("X*triu(ones(3, 3), 1) @ Y", "triu(X, 1) @ Y"),
]


@pytest.mark.parametrize(("text", "wanted"), WAYS)
def test_a_mask_of_ones_is_a_triangle(text: str, wanted: str) -> None:
    assert shortened(text, SHAPES) == wanted
    torch.manual_seed(1)
    names = {name: torch.randn(shape) for name, shape in SHAPES.items()}
    names |= {name: getattr(torch, name) for name in ("tril", "triu", "ones")}
    one, other = (eval(code, dict(names)) for code in (text, wanted))  # noqa: S307 (of this file)
    assert torch.equal(one, other)


@pytest.mark.parametrize("text", ["tril(ones(3, 3))*x", "tril(ones(3, 3))*2"])
def test_what_is_broadcast_keeps_its_mask(text: str) -> None:
    assert shortened(text, SHAPES) == text
