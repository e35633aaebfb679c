"""What masks pick is put back in its place where it is a function of single entries, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from gradcli.derivation.notation.algebra import simplified
from gradcli.derivation.notation.masked import with_masks
from gradcli.derivation.notation.points import without_points
from gradcli.derivation.notation.shapes import shape_of
from gradcli.python_trees import expression_tree

SHAPES = {"x": (6,), "X": (4, 3), "g": (2,)}
RANKS = {name: len(shape) for name, shape in SHAPES.items()}
H = "one_hot(nonzero(x > 0)[:, 0], 6)"
ROWS, COLUMNS = "one_hot(nonzero(X > 0)[:, 0], 4)", "one_hot(nonzero(X > 0)[:, 1], 3)"
KNOWN = {
    "one_hot": lambda labels, count: np.eye(count)[labels],
    "nonzero": np.argwhere,
    "where": np.where,
    "exp": np.exp,
    "sum": lambda value, dim=None: np.sum(value, axis=dim),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"sum({H}, dim=0)", "where(x > 0, 1, 0)"),
        (f"(1/x[x > 0]) @ {H}", "where(x > 0, 1/x, 0)"),
        (f"(x[x > 0]/3 - sum(x[x > 0])/21) @ {H}", "where(x > 0, x/3 - sum(x[x > 0])/21, 0)"),
        (f"{H}.T @ exp(x[x > 0])", "where(x > 0, exp(x), 0)"),
        (f"{ROWS}.T @ {COLUMNS}", "where(X > 0, 1, 0)"),
        (f"(exp(X[X > 0])[:, None]*{ROWS}).T @ {COLUMNS}", "where(X > 0, exp(X), 0)"),
        (
            "one_hot(nonzero(X[:, 0] > 0)[:, 0], 4).T @ (X[X[:, 0] > 0] - sum(X[X[:, 0] > 0], dim=0))",
            "where((X[:, 0] > 0)[:, None], X - sum(X[X[:, 0] > 0], dim=0), 0)",
        ),
    ],
)
def test_picked_entries_are_in_their_place(text: str, expected: str) -> None:
    assert with_masks(text, RANKS) == expected
    generator = np.random.default_rng(0)
    values = {name: generator.standard_normal(shape) for name, shape in SHAPES.items()}
    one, other = (eval(part, {**KNOWN, **values}) for part in (text, expected))  # noqa: S307 (of this file)
    np.testing.assert_allclose(one, other)


@pytest.mark.parametrize(
    "text",
    [
        f"softmax(x[x > 0], dim=-1) @ {H}",
        f"softmax(x[x > 0], 0) @ {H}",
        f"g @ {H}",
        f"x[x > 1] @ {H}",
        f"{ROWS}.T @ {ROWS}",
        f"sum({H}, dim=1)",
        "one_hot(nonzero(X > 0)[:, 0], 4).T @ X[X > 0]",
    ],
)
def test_what_is_no_function_of_single_entries_stays(text: str) -> None:
    assert with_masks(text, RANKS) == text


@pytest.mark.parametrize(
    "text",
    ["x[x > 0] - sum(x[x > 0])/5", f"sum({H}, dim=0)", "sum(x[x > 0])/sum(x[x < 0])"],
)
def test_a_sum_of_a_length_that_is_not_seen_is_no_multiple_of_a_mean(text: str) -> None:
    assert simplified(text, SHAPES) == text


@pytest.mark.parametrize("text", ["sum(one_hot(nonzero(x != 0)[:, 0], 6), dim=0)", "x/sum(x != 0)"])
def test_a_mask_says_nothing_of_single_points(text: str) -> None:
    assert without_points(text, {"x"}) == (text, None)


def test_the_lengths_of_two_masks_are_not_the_same() -> None:
    shapes = [shape_of(expression_tree(text), SHAPES) for text in ("x[x > 0]", "x[x < 0]", "exp(x[x > 0])")]
    assert shapes[0] != shapes[1]
    assert shapes[0] == shapes[2]
    assert shape_of(expression_tree("x[x > 0]*g[:1]"), {**SHAPES}) in (None, shapes[0])
