"""Rows that are read instead of picked, and the rank of what is read and chosen: PyTorch's own, run."""

from __future__ import annotations

import ast

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gradcli.derivation.notation.ranks import rank
from gradcli.derivation.notation.selected import with_reads

TENSORS = {
    "x": torch.tensor([3.0, 1.0, 2.0, 5.0]),
    "X": torch.arange(12.0).reshape(4, 3),
    "i": torch.tensor([2, 0]),
    "m": torch.tensor([True, False, True, True]),
    "V": torch.arange(6.0).reshape(2, 3),
}
FUNCTIONS = {name: getattr(torch, name) for name in ("sort", "max", "amax", "argmax", "argsort", "sum", "kthvalue")}
FUNCTIONS |= {"nonzero": torch.nonzero, "one_hot": lambda labels, count: one_hot(labels, count).float()}
RANKS = {name: value.ndim for name, value in TENSORS.items()}


def value(text: str) -> Tensor:
    found = eval(text, {**FUNCTIONS, **TENSORS})  # noqa: S307 (text from here)
    assert isinstance(found, Tensor)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one_hot(i, 4) @ X", "X[i]"),
        ("one_hot(i, 4) @ x", "x[i]"),
        ("x @ one_hot(i, 4).T", "x[i]"),
        ("X.T @ one_hot(i, 4).T @ V", "X[i].T @ V"),
        ("one_hot(i, 4).T @ V", "one_hot(i, 4).T @ V"),
    ],
)
def test_a_row_that_is_picked_is_read(text: str, expected: str) -> None:
    assert with_reads(text, RANKS) == expected
    torch.testing.assert_close(value(expected), value(text))


@pytest.mark.parametrize(
    "text",
    [
        *("sort(x)[1]", "max(x)", "max(X, dim=1)[0]", "max(X, 1)[1]", "amax(X, 1)", "amax(X)", "argmax(X, dim=1)"),
        *("X[i]", "x[i]", "X[i].T", "X[0, :]", "X[:, None]", "amax(X, dim=1, keepdim=True)", "nonzero(m)[:, 0]"),
        *("kthvalue(x, 2)[0]", "argsort(x)[1]", "argsort(X, dim=0)[1]", "one_hot(argmax(X, dim=1), 3)", "sum(X)"),
    ],
)
def test_the_rank_of_what_is_chosen_and_read_is_pytorchs(text: str) -> None:
    assert rank(ast.parse(text, mode="eval").body, RANKS) == value(text).ndim
