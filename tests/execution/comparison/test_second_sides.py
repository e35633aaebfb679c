"""Quotients of a gradient to both sides of a point, of gradients whose derivatives are known by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gradcli.commands import Command
from gradcli.engine import evaluate_program
from gradcli.execution.comparison.second_sides import Sides, compare_by_sides, sides_of
from gradcli.report.comparison import Comparison
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


def column(*functions: Callable[[float], float]) -> Callable[[float], Tensor]:
    return lambda shift: torch.tensor([function(shift) for function in functions], dtype=torch.float64)


BENT = column(abs, lambda h: 3 * h)
JUMPING = column(lambda h: math.copysign(1.0, h) + h, lambda h: h)
SMOOTH = column(lambda h: math.sin(2 * h), lambda h: h**3)


@pytest.mark.parametrize(
    ("gradient", "below", "above", "jump", "agree"),
    [
        (BENT, [-1.0, 3.0], [1.0, 3.0], [0.0, 0.0], False),
        (JUMPING, [1.0, 1.0], [1.0, 1.0], [2.0, 0.0], False),
        (SMOOTH, [2.0, 0.0], [2.0, 0.0], [0.0, 0.0], True),
    ],
)
def test_the_derivatives_of_a_gradient_to_both_sides(
    gradient: Callable[[float], Tensor],
    below: list[float],
    above: list[float],
    jump: list[float],
    agree: bool,
) -> None:
    sides = sides_of(gradient, 1.0)
    assert sides.clear
    assert sides.below.tolist() == pytest.approx(below, abs=2e-3)
    assert sides.above.tolist() == pytest.approx(above, abs=2e-3)
    assert sides.jump.tolist() == pytest.approx(jump, abs=1e-4)
    assert sides.agree is agree


def test_what_lies_between_is_known_by_entries() -> None:
    sides = sides_of(BENT, 1.0)
    assert sides.contain(torch.tensor([0.5, 3.0])).tolist() == [True, True]
    assert sides.contain(torch.tensor([1.5, 2.9])).tolist() == [False, False]


def test_the_derivative_of_a_sum_is_the_sum() -> None:
    total = sides_of(BENT, 1.0).summed(1)
    assert (float(total.below), float(total.above)) == pytest.approx((2.0, 4.0))


def test_quotients_that_do_not_converge_say_nothing() -> None:
    sides = sides_of(column(lambda h: math.sqrt(abs(h)), lambda h: h), 1.0)  # an infinite slope to both sides
    assert not sides.clear
    comparison = Comparison(Verdict.MATCH, 0.0, 0.0)
    assert compare_by_sides(torch.tensor([7.0, 1.0]), sides, comparison, exists=True) is comparison


@pytest.mark.parametrize(
    ("derivative", "exists", "verdict", "words"),
    [
        ([0.0, 3.0], True, "subgradient", "autograd's choice lies between the one-sided second derivatives"),
        ([5.0, 3.0], False, "undefined", "the gradient bends or jumps at this point"),
        (
            [0.0, 4.0],
            True,
            "mismatch",
            "at [1] autograd gives 4, and the quotient of the gradient is 3 from both sides",
        ),
    ],
)
def test_the_words_on_a_second_derivative(derivative: list[float], exists: bool, verdict: str, words: str) -> None:
    comparison = Comparison(Verdict.MATCH, 0.0, 0.0)
    found = compare_by_sides(torch.tensor(derivative), sides_of(BENT, 1.0), comparison, exists=exists)
    assert found.verdict == verdict
    assert words in found.notes[0].words


def test_a_second_derivative_that_is_right_keeps_its_verdict() -> None:
    comparison = Comparison(Verdict.MATCH, 0.0, 0.0)
    assert compare_by_sides(torch.tensor([2.0, 0.0]), sides_of(SMOOTH, 1.0), comparison, exists=True) is comparison


def test_a_gradient_that_jumps_beside_the_point_does_not_at_it() -> None:
    """A ReLU whose kink is within the shortest step of the quotients, and outside of what is next to the point."""
    sides = sides_of(column(lambda h: float(h > 1e-6), lambda h: h), 1.0)
    assert not sides.jumps


def test_what_rounding_moves_is_no_jump() -> None:
    sides = sides_of(column(lambda h: 1e6 + math.sin(1e15 * h) * 1e-7, lambda h: h), 1.0)
    assert not sides.jumps


def test_the_norm_of_a_zero_vector_has_no_second_derivative() -> None:
    """Its derivative at (h, 0) is the sign of h."""
    report = evaluate_program("norm(x)", Settings(values={"x": [0.0, 0.0]}, command="hessian", formulas=False))
    assert report.verdict == "undefined"
    assert report["x"].note == "the gradient jumps by 2 at this point, so that there is no second derivative"


def test_a_jump_is_no_derivative_though_both_sides_are_equal() -> None:
    sides = Sides(torch.ones(1), torch.ones(1), torch.ones(1), 0.0)
    assert not sides.agree


AT_A_CUT = {"x": -1.0, "y": 0.0}
SECOND = [
    # 1/2 z² for |z| <= 1, and |z| - 1/2 beyond: its second derivative is 1 to one side of 1, and 0 to the other
    ("F.huber_loss(x, y)", {"x": 2.0, "y": 1.0}, "subgradient"),
    ("F.huber_loss(x, y, delta=2.0, reduction='sum')", {"x": -1.0, "y": 1.0}, "subgradient"),
    ("F.celu(x)*y", {"x": 0.0, "y": 1.0}, "subgradient"),
    # a formula for each side, of one function
    ("sigmoid(x)*y", {"x": 0.0, "y": 1.0}, "match"),
    ("logaddexp(x, y)", {"x": 1.0, "y": 1.0}, "match"),
    # atan2 jumps by 2π across the cut
    ("x*x*atan2(y, x)", AT_A_CUT, "undefined"),
    ("x*x*angle(complex(x, y))", AT_A_CUT, "undefined"),
    ("x*x*atan2(y, x)", {"x": 1.0, "y": 0.0}, "match"),
    # the first derivative jumps, so that there is no second one: relu'' does not exist at 0
    ("abs(x)", {"x": 0.0}, "undefined"),
    ("relu(x)", {"x": 0.0}, "undefined"),
    ("(relu(x) + 1e9*x)*y", {"x": 0.0, "y": 1.0}, "undefined"),
    ("1e-7*clamp(x, 0, 1)", {"x": 0.0}, "undefined"),
    ("maximum(x, y)", {"x": 1.0, "y": 1.0}, "undefined"),
    ("where(x > 0, x, 2*x)", {"x": 0.0}, "undefined"),
    # it is continuous
    ("x*relu(x)", {"x": 0.0}, "subgradient"),
    ("x*abs(x)", {"x": 0.0}, "subgradient"),
    ("relu(x)**2 + 1e6*sin(100*x)", {"x": 0.0}, "match"),
    # a choice by the program: its second derivatives to the sides are 2 and 0, 2 and -2, 0 and 0
    ("where(x > 0, x**2, x**3)", {"x": 0.0}, "subgradient"),
    ("where(x > 0, x**2, -x**2)", {"x": 0.0}, "subgradient"),
    ("where(x > 0, x**3, -x**3)", {"x": 0.0}, "match"),
    ("where(x > 0, 1 + x**2, x**2)", {"x": 0.0}, "undefined"),
    ("floor(x) - floor(x) + x**2", {"x": 1.0}, "match"),
]


@pytest.mark.parametrize("command", ["hessian", "double-backward"])
@pytest.mark.parametrize(("program", "point", "verdict"), SECOND)
def test_the_second_derivative_where_an_op_changes(
    program: str, point: dict[str, float], verdict: str, command: Command
) -> None:
    report = evaluate_program(program, Settings(values=point, command=command, formulas=False))
    assert report.verdict == verdict


@pytest.mark.parametrize("command", ["eval", "check"])
@pytest.mark.parametrize("program", ["atan2(y, x)*y", "atan2(y, x)*sin(y)", "angle(complex(x, y))*y"])
def test_a_jump_times_zero_is_a_kink(program: str, command: Command) -> None:
    """Next to (-1, 0) that is π|y|."""
    report = evaluate_program(program, Settings(values=AT_A_CUT, command=command, formulas=False))
    assert report["y"].verdict == "subgradient"
    assert report["x"].verdict == "match"
