"""What is multiplied by a one-hot matrix, or added to one, is read or added at the labels: the same numbers."""

from __future__ import annotations

import ast
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from gradcli.derivation.notation.backends import BACKENDS
from gradcli.derivation.notation.labels import with_added_labels
from gradcli.python_trees import expression_tree

SHAPES = {"t": (6,), "a": (6,), "V": (6, 3), "W": (4, 3), "S": (6, 4), "x": (4,), "A": (2, 6), "w": (4,)}
SHAPES |= {"u": (6,), "T": (6, 3)}


def numbers() -> dict[str, Any]:
    torch.manual_seed(0)
    found: dict[str, Any] = {name: torch.randn(shape, dtype=torch.float64) for name, shape in SHAPES.items()}
    found["T"] = torch.tensor([[3, 0, 3], [1, 1, 1], [2, 0, 3], [3, 3, 0], [0, 1, 2], [2, 2, 0]])
    found["u"] = torch.tensor([2, 1, 2, 0, 0, 1])
    return {**found, "t": torch.tensor([3, 0, 3, 1, 1, 3]), "n": 4}  # one is never there, one is there three times


def one_hot(labels: Tensor, count: int) -> Tensor:
    return torch.eye(count, dtype=torch.float64)[labels]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("one_hot(t, n).T @ V", "added_at(V, t, n)"),
        ("2*one_hot(t, 4).T @ V", "added_at(2 * V, t, 4)"),
        ("-a*one_hot(t, 4).T @ V", "added_at(-(a[:, None] * V), t, 4)"),
        ("a*one_hot(t, 4).T @ a", "added_at(a * a, t, 4)"),
        ("one_hot(t, 4).T/n @ a", "added_at(1 / n * a, t, 4)"),
        ("a @ one_hot(t, 4)", "added_at(a, t, 4)"),
        ("A @ one_hot(t, 4)", "added_at(A.T, t, 4).T"),
        ("V.T @ one_hot(t, 4)", "added_at(V, t, 4).T"),
        ("one_hot(t, 4) @ W", "W[t]"),
        ("S - one_hot(t, n)", "plus_at(S, t, -1)"),
        ("one_hot(t, n) - S", "plus_at(-S, t, 1)"),
        ("S + 3*one_hot(t, 4)*a[:, None]", "plus_at(S, t, 3 * a)"),
        ("S - 3*one_hot(t, 4)/n - 1", "plus_at(S, t, -(3 * (1 / n))) - 1"),
        ("a*one_hot(t, n).T @ one_hot(u, 3)", "added_to(zeros(n, 3), (t, u), a)"),
        ("(2*a[:, None]*one_hot(t, 4)).T @ one_hot(u, 3)", "added_to(zeros(4, 3), (t, u), 2 * a)"),
        ("-one_hot(t, 4).T @ one_hot(u, 3)", "added_to(zeros(4, 3), (t, u), -1)"),
        ("sum(one_hot(t, 4)*W.T[u], dim=1)", "W[t, u]"),
        ("sum(-a[:, None]*one_hot(u, 3)*W[t], dim=1)", "-(a * W[t, u])"),
        ("S - one_hot(t, 4)*w", "plus_at(S, t, -w[t])"),
        ("S + one_hot(t, 4)*w*a[:, None]", "plus_at(S, t, a * w[t])"),
        ("sum(-V[:, :, None]*one_hot(T, 4), dim=1)", "scattered(-V, T, 4)"),
        ("sum(S[:, None, :]*one_hot(T, 4), dim=2)", "gather(S, 1, T)"),
        ("1.0*sum(one_hot(t, 4), dim=0)", "1.0 * counted(t, 4)"),
        # They have other shapes, or nothing is won.
        ("x - one_hot(t, 4)", "x - one_hot(t, 4)"),
        ("sum(one_hot(t, 4)*S, dim=1)", "sum(one_hot(t, 4) * S, dim=1)"),
        ("one_hot(t, 4)*w", "one_hot(t, 4) * w"),
    ],
)
def test_no_one_hot_matrix_is_made(text: str, found: str) -> None:
    made = ast.unparse(with_added_labels(expression_tree(text), SHAPES, {"n": 4}))
    assert made == found
    known = {**numbers(), "sum": torch.sum, "gather": torch.gather, "zeros": partial(torch.zeros, dtype=torch.float64)}
    expected = eval(text, {**known, "one_hot": one_hot})  # noqa: S307 (text from above)
    helpers: dict[str, Any] = {"torch": torch}
    for name in ("added_at", "plus_at", "added_to", "scattered", "counted"):
        exec(BACKENDS["torch"].helpers[name], helpers)  # noqa: S102 (of the table)
        helpers[name] = helpers[f"_{name}"]
    counted = helpers["_counted"]  # the code makes its numbers real ones, as those of one_hot
    helpers["counted"] = lambda *given: counted(*given).double()
    value = eval(made, {**known, **helpers, "one_hot": one_hot})  # noqa: S307 (see above)
    torch.testing.assert_close(value, expected)


def test_labels_of_more_axes_stay_one_hot() -> None:
    text = "sum(g[:, :, None] * one_hot(t, 3), dim=1)"
    shapes = {"g": (4, 2, 2), "t": (4, 2, 2)}
    assert ast.unparse(with_added_labels(expression_tree(text), shapes, {})) == text
