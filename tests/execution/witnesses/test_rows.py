"""Jacobians and their products at kinks of a program: right ones lie between one-sided derivatives, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from gradcli.engine import evaluate_program
from gradcli.settings import Settings

# A program, its leaf, and the verdict on its derivative.
PROGRAMS: list[tuple[str, Any, str]] = [
    # t, whose derivative is 1; PyTorch gives 0
    ("relu(t) - relu(-t)", 0.0, "mismatch"),
    ("stack([t, relu(t) - relu(-t)])", 0.0, "mismatch"),
    # by hand
    ("where(t > 0, t, -t)", 0.0, "subgradient"),
    ("where(t > 0, t, where(t < 0, t, 0*t))", 0.0, "mismatch"),
    ("where(t > 0, t + 1, t)", 0.0, "undefined"),
    # kinks that are none of the program
    ("maximum(t, t)", 1.0, "match"),
    ("relu(t)", 0.0, "subgradient"),
    ("relu(t)", 1.0, "match"),
    ("where(t > 0, t, -t)", 1.0, "match"),
    # ops that jump: |t|, t, -(t - 1) and 1 for t > 0
    ("sign(t)*t", 0.0, "subgradient"),
    ("floor(t) + frac(t)", 1.0, "match"),
    ("(floor(t) - ceil(t))*(t - 1)", 1.0, "mismatch"),
    ("sign(t)", 0.0, "undefined"),
]


@pytest.mark.parametrize(("program", "value", "wanted"), PROGRAMS)
def test_a_jacobian_is_judged_by_the_whole_program(program: str, value: Any, wanted: str) -> None:
    assert evaluate_program(program, Settings(command="jacobian"), {"t": value}).verdict == wanted


@pytest.mark.parametrize(("program", "value", "wanted"), PROGRAMS)
def test_a_product_is_judged_by_the_whole_program(program: str, value: Any, wanted: str) -> None:
    settings = Settings(command="jvp", tangents={"t": 1.0})
    assert evaluate_program(program, settings, {"t": value}).verdict == wanted


def test_a_product_is_between_the_derivatives_along_its_own_tangents() -> None:
    """Along (1, 1) the larger of two equal numbers has the derivative 1, and PyTorch gives 1."""
    settings = Settings(command="jvp", tangents={"t": [1.0, 1.0]})
    assert evaluate_program("amax(t, dim=0)", settings, {"t": [2.0, 2.0]}).verdict == "match"
    sideways = Settings(command="jvp", tangents={"t": [1.0, 0.0]})
    assert evaluate_program("amax(t, dim=0)", sideways, {"t": [2.0, 2.0]}).verdict == "subgradient"


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1.0, 1.0, 3.0], "subgradient"),  # the smallest of the three, nearby
        ([2.0, 2.0, 2.0], "subgradient"),
        ([1.0, 2.0, 2.0, 3.0], "undefined"),  # the smallest in some directions, and 2 in others
        ([1.0, 2.0, 4.0], "match"),
    ],
)
def test_a_jump_of_an_op_is_looked_for_in_the_program(values: list[float], wanted: str) -> None:
    settings = Settings(command="jacobian")
    assert evaluate_program("mode(t)[0]", settings, {"t": values}).verdict == wanted
    several = evaluate_program("stack([mode(t)[0], t.sum()])", settings, {"t": values})
    assert several.verdict == wanted
