"""Kinks at the point and near it, told apart: the one-sided derivatives are worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

import gradcli

# A program, its leaves, a tensor, and the verdict on it.
CASES: list[tuple[str, dict[str, Any], str, str]] = [
    # softshrink's slopes at 1/2 are 0 and 1, however small another number of the program is
    ("F.softshrink(F.threshold(y, 0.5, 0.5), 0.5)", {"y": 1e-5}, "F.threshold(y, 0.5, 0.5)", "subgradient"),
    # (0 - 1e-10, 0, 0): the largest two are equal
    ("cumprod(y - x, 0).amax()", {"y": [-1e-10, -1, -1], "x": [1e-160, -1, -1]}, "cumprod(y - x, 0)", "subgradient"),
    # the largest two are equal, and so large that no step of a usual length moves them
    ("norm(cat([y, y]), inf)", {"y": [1e17]}, "cat([y, y])", "subgradient"),
    # y by the first entry and 1e160 by the second, however far a step goes beyond all doubles
    ("prod(y)", {"y": [1e160, 0.0]}, "y", "match"),
    # relu's kink is 5e-18 away, and beyond it quotients of any longer step go on growing
    ("relu(1 + 2e17*y)", {"y": 0.0}, "y", "match"),
    # relu's kink is 1e-10 away
    ("(F.relu6(y)*(F.relu6(y) > 0)).sum()", {"y": [1e-10, 0.75]}, "y", "match"),
    ("(F.relu6(sort(y)[0])*(F.relu6(sort(y)[0]) > 0)).sum()", {"y": [1e-10, 0.75, 2.0]}, "y", "match"),
    ("abs(y).sum()", {"y": [1e-10, 0.75]}, "y", "match"),
    # a gradient of 1e-319, the cube of 1/4 times 6 cubed times 3e-320
    ("prod(where(x > floor(x), x, floor(x))**3)", {"x": [1e-160, 6.0, 0.25]}, "x", "match"),
    # equal but for rounding where x is positive, not where it is negative
    ("norm(F.l1_loss(x, F.leaky_relu(x, 0.25), reduction='none'))", {"x": [0.25, 1.0]}, "x", "match"),
    ("norm(F.l1_loss(x, F.leaky_relu(x, 0.25), reduction='none'))", {"x": [0.0, 1.0]}, "x", "subgradient"),
]  # fmt: skip


@pytest.mark.parametrize("command", [gradcli.check, gradcli.evaluate])
@pytest.mark.parametrize(("program", "values", "name", "wanted"), CASES)
def test_a_kink_is_told_from_one_that_is_near(
    command: Any, program: str, values: dict[str, Any], name: str, wanted: str
) -> None:
    assert command(program, values)[name].verdict == wanted
