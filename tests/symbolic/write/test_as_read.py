"""Formulas that others show are written as `derive` writes them; what names other gradients is left alone."""

from __future__ import annotations

import pytest

from gradcli.derivation.formulas import Formula
from gradcli.symbolic.write.as_read import as_read

SHAPES = {"x": (4,), "y": (4,), "X": (4, 3), "w": (3,), "grad_output": (4,)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2*x - 2*y", "2*(x - y)"),
        ("w*(X @ w/2 - y/2)[:, None]", "outer(X @ w - y, w)/2"),
        ("x/sqrt(sum(x**2))", "x/norm(x)"),
        ("2*grad_output*x - 2*grad_output*y", "2*grad_output*(x - y)"),
        ("where(sum(x**2) == 0, 0, x/sqrt(sum(x**2)))", "where(x @ x == 0, 0, x/norm(x))"),
    ],
)
def test_a_formula_is_written_as_derive_writes_it(text: str, found: str) -> None:
    formula = as_read(Formula(text, ""), SHAPES)
    assert (formula.text, formula.raw) == (found, text)


@pytest.mark.parametrize(
    "text",
    [
        "2*grad(z)*x - 2*grad(z)*y",
        "vjp(max(x), grad(max(x)))",
        "2*x (2) - 2*y",
        "2*z - 2*y",
        "[p]: 2*x[p] - 2*y[p]",
        "x*y",
    ],
)
def test_what_cannot_be_read_so_stays(text: str) -> None:
    assert as_read(Formula(text, ""), SHAPES) == Formula(text, "")
