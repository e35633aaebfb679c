"""Power series beside SymPy's, which has rules of its own for them."""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy

from gradcli.derivation.notation.power_series import series_of
from gradcli.python_trees import expression_tree

x = sympy.Symbol("x")
EXPRESSIONS = [
    "(cos(x) - sin(x)/x)/x",
    "tanh(2*x)/x - tan(x)**2",
    "1/expm1(x) + log1p(x)*sinh(x)",
    "sqrt(1 + x - x**2)*sigmoid(x)",
    "atan(x)/(3*x**2) - cosh(x)",
    "log(1 - 2*x) - exp(-x)",
]
KNOWN = {
    "expm1": lambda value: sympy.exp(value) - 1,
    "log1p": lambda value: sympy.log(1 + value),
    "sigmoid": lambda value: 1 / (1 + sympy.exp(-value)),
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_coefficients_are_those_of_sympy(text: str) -> None:
    found = series_of(expression_tree(text), "x")
    names = {name: getattr(sympy, name) for name in ("sin", "cos", "tan", "tanh", "sinh", "cosh", "exp", "log", "atan")}
    exact = eval(text, {**names, **KNOWN, "sqrt": sympy.sqrt, "x": x})  # noqa: S307 (of this file)
    expanded = sympy.series(exact, x, 0, 6).removeO()
    assert found is not None
    for power in range(-3, 6):
        assert found.at(power) == Fraction(*expanded.coeff(x, power).as_numer_denom()), power


@pytest.mark.parametrize("text", ["sqrt(x)", "erf(x)", "y*x", "exp(1 + x)", "log(x)", "1/(x - x)", "x**y"])
def test_what_has_no_series_of_fractions_has_none(text: str) -> None:
    assert series_of(expression_tree(text), "x") is None
