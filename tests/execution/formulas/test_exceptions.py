"""What formulas say at single points: the limits of quotients there are in the code, and said below the formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import gradcli
from gradcli.report.verdict import Verdict


@pytest.mark.parametrize(
    ("program", "at_zero"),
    [
        ("i1(x)", 0.5),  # DLMF 10.29.3, and 10.30.1 at 0
        ("i0(x)*i1(x)", 0.5),
        ("i1(x)*x", 0.0),
    ],
)
def test_the_derivative_of_a_bessel_function_has_its_limit_at_zero(program: str, at_zero: float) -> None:
    derivation = gradcli.derive(program, {"x": (3,)})
    assert derivation.verdict is Verdict.MATCH
    space: dict[str, Any] = {}
    exec(derivation.code("torch"), space)  # noqa: S102 (what is tested)
    found = space["gradient"](torch.tensor([0.0, 1.0, -2.0], dtype=torch.float64), torch.ones(3, dtype=torch.float64))
    assert found.isfinite().all()
    assert found[0] == at_zero


def test_a_formula_of_a_bessel_function_says_where_it_does_not_hold() -> None:
    found = gradcli.derive("i1(x)", {"x": (3,)})["x"]
    assert found.formula == "g*(special.i0(x) - special.i1(x)/x)"
    assert found.exception == "another value where x == 0"


def test_a_formula_whose_code_is_one_row_of_it_is_held_at_single_points() -> None:
    derivation = gradcli.derive("norm(mean(X, dim=0) - mean(Y, dim=0))**2", {"X": (5, 3), "Y": (4, 3)}, wrt="X")
    assert derivation.verdict is Verdict.MATCH  # it is 2*(the difference of the means)/5 in each row
    assert derivation["X"].exception is None
    assert derivation["X"].formula == "2*outer(ones(5), mean(X, dim=0) - mean(Y, dim=0))/5"
