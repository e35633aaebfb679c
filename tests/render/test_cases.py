"""Formulas that choose, as tables: what is chosen and when, as the text says it."""

from __future__ import annotations

import pytest

from gradcli.render.cases import case_lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "where(x <= -3, 0, where(x >= 3, g, g*(x/3 + 1/2)))",
            ["0              if x <= -3", "g              if x >= 3", "g*(x/3 + 1/2)  otherwise"],
        ),
        (
            "x[1]*x[2] if p == 0 else (x[0] if p == 1 else 2)",
            ["x[1]*x[2]  if p == 0", "x[0]       if p == 1", "2          otherwise"],
        ),
        ("where(x > 0, 1, 0)", ["where(x > 0, 1, 0)"]),
        ("2*where(x > 0, 1, where(x < 0, 2, 3))", ["2*where(x > 0, 1, where(x < 0, 2, 3))"]),
        ("where(a, where(b, 1, 2), 3)", ["where(a, where(b, 1, 2), 3)"]),
        ("Σ[i=0..3] (x[i] if p == 0 else 0)", ["Σ[i=0..3] (x[i] if p == 0 else 0)"]),
    ],
)
def test_a_formula_of_three_cases_is_a_table(text: str, lines: list[str]) -> None:
    assert case_lines(text) == lines
