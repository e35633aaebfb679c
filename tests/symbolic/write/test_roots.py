"""Roots of numbers in quotients: sympy says that they are equal, and how they are written is said here."""

from __future__ import annotations

import pytest
import sympy
from sympy import exp, pi, sqrt

from gradcli.symbolic.write.scope import Scope
from gradcli.symbolic.write.tensor_printer import TensorNotation

x = sympy.Symbol("x", real=True)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (sqrt(2) / 2 * x, "x/sqrt(2)"),
        (x * sqrt(2) / (2 * sqrt(pi)), "x/sqrt(2*pi)"),
        (-x * sqrt(2) / (2 * sqrt(pi)), "-x/sqrt(2*pi)"),
        (x * sqrt(2) / sqrt(pi), "sqrt(2/pi)*x"),
        (sqrt(2) * sqrt(pi) * x, "sqrt(2*pi)*x"),
        (sqrt(6) * x / 12, "x/(2*sqrt(6))"),
        (sqrt(2) * x / 3, "sqrt(2)*x/3"),
        (x / (4 * sqrt(pi)), "x/(4*sqrt(pi))"),
        (sqrt(2) / sqrt(x), "sqrt(2)/sqrt(x)"),
        (exp(-sqrt(2) * x / 2), "exp(-x/sqrt(2))"),
        (sqrt(3) / 3 * sqrt(x), "sqrt(x)/sqrt(3)"),
    ],
)
def test_a_quotient_has_one_root_of_a_number(body: sympy.Expr, text: str) -> None:
    scope = Scope(names={"x": "x"}, shapes={"x": ()})
    found = TensorNotation(scope, ()).whole(body).text
    assert found == text
    assert sympy.simplify(sympy.sympify(found, {"x": x}) - body) == 0
