"""Formulas in lines that fit: nothing is lost, and no number or name is broken."""

from __future__ import annotations

import re

import pytest

from gradcli.render.formula_lines import formula_lines

SERIES = "∂/∂x = where(abs(x) < 1.0, -x/12 + x**3/180 - x**5/6720 + x**7/453600 - x**9/47900160 + 1e-05*x**11, 0)"
ATTENTION = "s*(g @ V.T - sum(softmax(Q @ K.T/sqrt(d), dim=-1)*(g @ V.T), dim=1)[:, None]) @ K/sqrt(d)"
INDEXED = "[p, q]: sum(x[i, p]*(g[i, q - 3] if q >= 3 else 0) for i in range(n)) + summed_into(y, [0, 1, 22, 333])"
TENSORS = "einsum('ij, kjl, mno->ikl', first_name, take(second_name, [0, 1]))*einsum('ij->ji', third_name)"
WORD = re.compile(r"'[^']*'|\d+(?:\.\d+)?(?:e-?\d+)?|\w+|\*\*|\S")


@pytest.mark.parametrize("text", [SERIES, ATTENTION, INDEXED, TENSORS])
@pytest.mark.parametrize("width", [24, 30, 47, 60, 80, 120])
def test_lines_fit_and_are_broken_between_words(text: str, width: int) -> None:
    lines = formula_lines(text, width, 4)
    assert max(map(len, lines)) <= width or width < len("einsum('ij, kjl, mno->ikl'") + 4
    assert [word for line in lines for word in WORD.findall(line)] == WORD.findall(text)
    assert all(line.startswith("    ") and line.rstrip() == line for line in lines[1:])
    assert len(lines) <= 3 * len(text) // width + 2


def test_a_line_ends_where_few_parentheses_are_open() -> None:
    assert formula_lines(TENSORS, 72, 4) == [
        "einsum('ij, kjl, mno->ikl', first_name, take(second_name, [0, 1]))",
        "    *einsum('ij->ji', third_name)",
    ]
    assert formula_lines(SERIES, 47, 4) == [
        "∂/∂x = where(abs(x) < 1.0, -x/12 + x**3/180",
        "    - x**5/6720 + x**7/453600 - x**9/47900160",
        "    + 1e-05*x**11, 0)",
    ]


def test_what_fits_stays_in_one_line() -> None:
    assert formula_lines("a + b", 5) == ["a + b"]
    assert formula_lines("a_very_long_name", 5) == ["a_very_long_name"]
