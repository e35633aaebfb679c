"""How far rounding moves an output: bounds by the unit in the last place of what cancels, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

import gradcli
from gradcli.engine import shared_derivations
from gradcli.execution.forward.run import run_program
from gradcli.execution.run import start_from
from gradcli.execution.witnesses.numerical_verdict import NumericalWitnesses
from gradcli.inputs.programs import read
from gradcli.settings import Settings

# A program, its leaves, and between what the noise of its output lies.
NOISES: list[tuple[str, dict[str, Any], float, float]] = [
    # a unit in the last place of 1e17 is 16
    ("(x + y) - y", {"x": 1.0, "y": 1e17}, 2.0, 200.0),
    # of x + y, which is about 1
    ("(x + y) - y", {"x": 1.0, "y": 0.5}, 2e-17, 2e-15),
    # what rounding does to one side alone
    ("relu(x + 0.5 - 0.5)", {"x": 0.0}, 2e-17, 2e-15),
    # equal numbers are rounded alike, but not next to the point
    ("std(exp(relu(x)))", {"x": [-1.0, 0.0]}, 2e-17, 2e-15),
    # a jump is no noise
    ("floor(x)", {"x": 3.0}, 0.0, 1e-14),
    ("floor(x) + y - y", {"x": 3.0, "y": 2.0}, 0.0, 1e-14),
    # nor does it hide the noise beside it: a unit in the last place of 1e8 is 1.5e-8
    ("floor(x) + (z + y) - y", {"x": 3.0, "z": 1.0, "y": 1e8}, 1e-9, 1e-6),
    ("where(x > 3, x + 1, x) + (z + y) - y", {"x": 3.0, "z": 1.0, "y": 1e8}, 1e-9, 1e-6),
    # the sine of a number of which no digit of the phase is known
    ("sin(x)", {"x": 1e17}, 0.5, 40.0),
]


@pytest.mark.parametrize(("program", "values", "low", "high"), NOISES)
def test_noise_is_that_of_what_cancels(program: str, values: dict[str, Any], low: float, high: float) -> None:
    settings = Settings(command="check")
    parsed = read(program, settings)
    run = start_from(parsed, settings, run_program(parsed, settings, values), shared_derivations())
    assert low <= NumericalWitnesses.of(run, []).grain.noise <= high


# Programs whose gradients autograd and the symbolic derivative agree on, and whose values rounding has spoilt.
ROUNDED: list[tuple[str, dict[str, Any]]] = [
    ("sin(x)/x", {"x": 1e-10}),
    ("(1 - cos(x))/x**2", {"x": 1e-3}),
    ("(x + y) - y", {"x": 1.0, "y": 1e17}),
    ("x/y", {"x": 2.0, "y": 1e-150}),
    ("(lerp(y, y, 0.3) - y)*x", {"x": 0.3, "y": 0.7}),
    ("sin(1e6*x)", {"x": 0.3}),
    # no step is short enough
    ("cos(1e8*x)", {"x": 1.0}),
    ("1/(x - 1)", {"x": 1 + 1e-8}),
    ("cos(3.0 + x).sum()", {"x": [1e17, 1e17]}),
    ("var(x)", {"x": [0.1, 0.1, 0.1]}),
    ("(y/y**3)/x", {"y": -1e-10, "x": 2.5}),
]


@pytest.mark.parametrize(("program", "values"), ROUNDED)
def test_rounding_is_no_dissent(program: str, values: dict[str, Any]) -> None:
    report = gradcli.check(program, values)
    assert report.verdict == "match"
    assert all(found.dissenter is None for found in report.tensors)


@pytest.mark.parametrize(
    ("program", "values", "wanted"),
    [
        ("sort(sin(x*y))[0].sum()", {"x": [-1.0, 0.5], "y": 1e160}, "match"),  # the sum of them all, in any order
        # the kink at 1, where slopes are 1 and 1.5: no step of x can be taken that is short beside 1 and moves 1e17
        *(("where(x > x**1.5, x, x**1.5).sum()", {"x": [1.0, large]}, "subgradient") for large in (1e8, 1e12, 1e17)),
        ("where(x > 1, x, x**2).sum()", {"x": [1.0, 1e14]}, "subgradient"),  # slopes of 2 and 1
        ("where(x > x**1.5, x, x**1.5).sum()", {"x": [2.0, 1e17]}, "match"),
    ],
)
def test_where_no_step_can_be_taken_the_calls_say_what_is_decided(
    program: str, values: dict[str, Any], wanted: str
) -> None:
    report = gradcli.check(program, values)
    assert report.verdict == wanted
    assert all(found.dissenter is None for found in report.tensors)


@pytest.mark.parametrize("value", [1.45, 2.85])
def test_what_a_call_rounds_inside_is_no_jump(value: float) -> None:
    """The standard deviation of equal numbers is 0, and next to these that of PyTorch is 10^-16."""
    assert gradcli.evaluate("std(stack([x, x, x]))", {"x": value})["x"].verdict == "match"


def test_a_wrong_gradient_is_seen_beside_rounding() -> None:
    """The claims are wrong by more than rounding does; the quotients are what says so of a straight-through round."""
    assert gradcli.check("sin(1e6*x)", {"x": 0.3}, claims={"x": "g*1.001e6*cos(1e6*x)"}).verdict == "mismatch"


def test_equal_numbers_but_for_rounding_are_no_mismatch() -> None:
    report = gradcli.check("std(x)", {"x": [0.1, 0.1, 0.1]})
    assert report.verdict == "undecided"
    assert "rounding decides what the gradient is here" in (report["x"].note or "")
