"""Infinite gradients of functions that have a finite derivative: on the way PyTorch meets one that is too large."""

from __future__ import annotations

import pytest

import gradcli

Y, X, OTHER = 0.5, 1e160, 2.0


@pytest.mark.parametrize("program", ["(y/(y/x)).sum()", "(y*(1/(y/x))).sum()"])
def test_an_infinity_is_wrong_where_only_a_derivative_on_the_way_is_too_large(program: str) -> None:
    """y/(y/x) is x, whose derivative is 1; that of y/b by b = y/x is -x²/y, some -1e320."""
    report = gradcli.evaluate(program, {"y": Y, "x": [X, OTHER]})
    found = report["x"]
    assert found.gradient.isinf().tolist() == [True, False]
    assert found.verdict == "mismatch"
    assert "the derivative by 'x' at [0] is not infinite, but about 1: it overflows on the way" in str(found.note)
    assert report["y/x"].verdict == "undefined"


def test_a_derivative_that_is_itself_too_large_is_undefined() -> None:
    """That of 1/(y/x)**2 = (x/y)² by y is -2·x²/y³, some -1e321, though the one by x is 8e160."""
    assert gradcli.evaluate("(1/(y/x)**2).sum()", {"y": Y, "x": [1e155, OTHER]})["y"].verdict == "undefined"
