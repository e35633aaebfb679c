"""Decimals of a program in its formulas: the numbers are the same."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from gradcli.derivation.notation.decimals import decimals_in, with_decimals


@pytest.mark.parametrize(
    ("text", "program", "written"),
    [
        ("where(x < 4/5, x, 6/5)", "clamp(x, 0.8, 1.2)", "where(x < 0.8, x, 1.2)"),
        ("where(x > 5/2, x, -3/2)", "clamp(x, -1.5, 2.50)", "where(x > 2.5, x, -1.5)"),
        ("-9*x*y/10", "0.9*x", "-0.9*x*y"),
        ("0.002*y*(851*x*(1 - x) + 500)*x", "x*sigmoid(1.702*x)", "y*(1.702*x*(1 - x) + 1)*x"),
        ("x/2 + 1/2", "0.5*x", "x/2 + 1/2"),
        ("x/5", "0.2*x", "x/5"),
        ("4*x/5", "4*x/5", "4*x/5"),
        ("4*x/5", "x.sum() + x.T[0]", "4*x/5"),
    ],
)
def test_a_number_is_written_as_the_program_has_it(text: str, program: str, written: str) -> None:
    found = with_decimals(text, decimals_in(program))
    assert found == written
    space = {"x": torch.linspace(-2, 3, 5).double(), "y": torch.linspace(1, 2, 5).double(), "where": torch.where}
    torch.testing.assert_close(eval(found, space), eval(text, space))  # noqa: S307 (of this file)


def test_an_entry_stays_and_names_hold_no_decimals() -> None:
    assert with_decimals("[p]: 4*x[p]/5", frozenset({Fraction(4, 5)})) == "[p]: 4*x[p]/5"
    assert decimals_in("x1.5") == decimals_in("v0.T") == decimals_in("1.0*x") == frozenset()
