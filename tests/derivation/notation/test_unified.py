"""Formulas at several lengths as one: numbers that lengths explain have their names, and nothing else may differ."""

from __future__ import annotations

import pytest

from gradcli.derivation.notation.unified import unified, value

SIZES = ({"n": 11, "m": 17}, {"n": 29, "m": 37})


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        ("X.T @ g/11", "X.T @ g/29", "X.T @ g/n"),
        ("2*x/187", "2*x/1073", "2*x/(n*m)"),
        ("x/10", "x/28", "x/(n - 1)"),
        ("reshape(g, (11, 17))", "reshape(g, (29, 37))", "reshape(g, (n, m))"),
        (
            "[p]: sum(g[i] for i in range(p, 11))",
            "[p]: sum(g[i] for i in range(p, 29))",
            "[p]: sum(g[i] for i in range(p, n))",
        ),
        ("x*0.30151134457776363", "x*0.18569533817705186", "x*(1/sqrt(n))"),
        ("x**2 + 3", "x**2 + 3", "x**2 + 3"),
        ("x/110", "x/290", "x/(10*n)"),
        ("x/18700", "x/107300", "x/(100*n*m)"),
        ("x/110", "x/280", None),
        ("x/11", "x/30", None),
        ("x/11", "y/29", None),
        ("x/11 + 1", "x/29", None),
    ],
)
def test_numbers_become_lengths(first: str, second: str, common: str | None) -> None:
    assert unified([first, second], SIZES) == common


def test_an_expression_of_lengths_has_a_value() -> None:
    assert value("2*n*m - 1", {"n": 3, "m": 4}) == 23
