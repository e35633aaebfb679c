"""A rewritten formula is shown if it says what it said before, at random numbers of the run's shapes."""

from __future__ import annotations

import pytest
import torch

import gradcli
from gradcli.derivation.formulas import Formula
from gradcli.execution.formulas.same_numbers import MOST_ENTRIES, with_same_numbers
from gradcli.execution.forward.trace import TracedTensor

X = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
LEAF = TracedTensor(X, "x", "x", is_leaf=True)


@pytest.mark.parametrize(
    ("text", "raw", "shown"),
    [
        ("2*(x - 1)", "2*x - 2", "2*(x - 1)"),
        ("2*(x + 1)", "2*x - 2", "2*x - 2"),
        ("sum(x)", "x", "x"),
        ("x/norm(x - x)", "x/sqrt(sum((x - x)**2))", "x/norm(x - x)"),  # both infinite alike
        ("no_function(x)", "2*x", "2*x"),
        ("x", "abs(x)", "abs(x)"),
        ("1/sqrt(x)", "x**(-1/2)", "1/sqrt(x)"),  # NaN alike for negative numbers
        ("x*sum(sqrt(x))", "2*x*sum(sqrt(x))", "2*x*sum(sqrt(x))"),  # NaN both, but for positive numbers
    ],
)
def test_a_formula_that_says_something_else_is_not_shown(text: str, raw: str, shown: str) -> None:
    assert with_same_numbers(Formula(text, "", raw=raw), LEAF, {"x": X}) == Formula(shown, "")


def test_a_formula_of_too_many_entries_stays_as_it_was() -> None:
    large = torch.ones(MOST_ENTRIES + 1, dtype=torch.float64)
    leaf = TracedTensor(large, "x", "x", is_leaf=True)
    formula = Formula("2*(x - 1)", "", raw="2*x - 2")
    assert with_same_numbers(formula, leaf, {"x": large}).text == "2*x - 2"
    assert with_same_numbers(formula, LEAF, {"x": X}).text == "2*(x - 1)"


def test_leaves_of_one_shape_have_numbers_of_their_own() -> None:
    formula = Formula("x*x", "", raw="x*y")
    assert with_same_numbers(formula, LEAF, {"x": X, "y": X}).text == "x*y"


def test_labels_are_the_runs_own() -> None:
    labels = torch.tensor([2, 0])
    formula = Formula("one_hot(t, 3)[0]*x", "", raw="where(arange(3) == 2, x, 0)")
    assert with_same_numbers(formula, LEAF, {"x": X, "t": labels}).text == formula.text
    assert with_same_numbers(formula, LEAF, {"x": X, "t": labels.flip(0)}).text == formula.raw


# The formula that `derive` writes, where no single point is left out; each is in the first column of a textbook.
ALIKE = [
    ("mean((X @ w - y)**2)", {"X": (4, 3), "w": (3,), "y": (4,)}, "X", "outer(X @ w - y, w)/2"),
    ("sum((x - y)**2)", {"x": (4,), "y": (4,)}, "x", "2*(x - y)"),
    ("sum(x*x)/2 - sum(x)*mean(x)/2", {"x": (4,)}, "x", "x - mean(x)"),
]


@pytest.mark.parametrize(("program", "shapes", "wrt", "formula"), ALIKE)
def test_eval_and_derive_write_a_gradient_in_one_way(
    program: str, shapes: dict[str, tuple[int, ...]], wrt: str, formula: str
) -> None:
    torch.manual_seed(0)
    values = {name: torch.rand(shape, dtype=torch.float64) for name, shape in shapes.items()}
    shown = gradcli.evaluate(program, values)[wrt].symbolic
    assert shown is not None
    assert shown.formula == gradcli.derive(program, shapes, wrt=wrt)[wrt].formula == formula
