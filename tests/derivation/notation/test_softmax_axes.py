"""The axis of a softmax is written in one way, which is the same axis."""

from __future__ import annotations

import pytest
import torch

from gradcli.derivation.notation.softmax_axes import with_one_axis

RANKS = {"x": 1, "X": 2, "T": 3}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("softmax(X, dim=1)", "softmax(X, dim=-1)"),
        ("softmax(X, dim=-2)*X", "softmax(X, dim=0)*X"),
        ("log_softmax(x, dim=0)", "log_softmax(x, dim=-1)"),
        ("softmax(log_softmax(T, dim=2), dim=-2)", "softmax(log_softmax(T, dim=-1), dim=1)"),
        ("sum(X, dim=1)", "sum(X, dim=1)"),
    ],
)
def test_an_axis_is_counted_from_the_first_unless_it_is_the_last(text: str, written: str) -> None:
    found = with_one_axis(text, RANKS)
    generator = torch.Generator().manual_seed(0)
    space = {name: torch.rand((3, 4, 5)[:rank], generator=generator) for name, rank in RANKS.items()}
    functions = {name: getattr(torch, name) for name in ("softmax", "log_softmax", "sum")}
    assert found == written
    torch.testing.assert_close(eval(found, functions, space), eval(text, functions, space))  # noqa: S307 (of this file)


def test_an_entry_stays() -> None:
    assert with_one_axis("[p, q]: softmax(X, dim=1)[p, q]", RANKS) == "[p, q]: softmax(X, dim=1)[p, q]"
