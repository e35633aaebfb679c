"""What programs spell in several ways is written in one, which is the same."""

from __future__ import annotations

import pytest
import torch

from gradcli.derivation.notation.one_spelling import in_one_spelling

RANKS = {"x": 1, "X": 2, "T": 3}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("softmax(X, dim=1)", "softmax(X, dim=-1)"),
        ("softmax(X, dim=-2)*X", "softmax(X, dim=0)*X"),
        ("log_softmax(x, dim=0)", "log_softmax(x, dim=-1)"),
        ("softmax(log_softmax(T, dim=2), dim=-2)", "softmax(log_softmax(T, dim=-1), dim=1)"),
        ("sum(X, dim=1)", "sum(X, dim=1)"),
        ("diag(X.T @ X)", "sum(X**2, dim=0)"),
        ("diagonal(X @ (2*X).T)", "sum(X*(2*X), dim=1)"),
        ("diag(diag(X.T @ (3*X)))", "diag(sum(X*(3*X), dim=0))"),
        ("diag(X)*2", "diagonal(X)*2"),
        ("diag(X.T @ X/4)", "sum(X**2, dim=0)/4"),
        ("diag(x)", "diag(x)"),
    ],
)
def test_a_call_has_one_spelling(text: str, written: str) -> None:
    found = in_one_spelling(text, RANKS)
    generator = torch.Generator().manual_seed(0)
    space = {name: torch.rand((3, 4, 5)[:rank], generator=generator) for name, rank in RANKS.items()}
    functions = {name: getattr(torch, name) for name in ("softmax", "log_softmax", "sum", "diag", "diagonal")}
    assert found == written
    torch.testing.assert_close(eval(found, functions, space), eval(text, functions, space))  # noqa: S307 (of this file)


def test_an_entry_stays() -> None:
    assert in_one_spelling("[p, q]: softmax(X, dim=1)[p, q]", RANKS) == "[p, q]: softmax(X, dim=1)[p, q]"
