"""Gradients at kinks and jumps beside Clarke's generalised gradients, worked out by hand."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gradcli.execution.witnesses.agreement import agreement
from gradcli.execution.witnesses.generalised import slopes
from gradcli.execution.witnesses.line import Line
from gradcli.execution.witnesses.question import Question, witnesses
from gradcli.execution.witnesses.quotients import along
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance


def verdict(function: Callable[[Tensor], Tensor], start: list[float], gradient: list[float], name: str) -> Verdict:
    point = {"x": torch.tensor(start, dtype=torch.float64)}
    question = Question(lambda tensors: function(tensors["x"]), point, "x", torch.tensor(1.0, dtype=torch.float64))
    (witness,) = witnesses([name]).values()
    report = witness.check(question, torch.tensor(gradient, dtype=torch.float64), Tolerance.of("float64"))
    assert report is not None
    return report.verdict


def function(x: Tensor) -> Tensor:
    return torch.where(x > x**1.5, x, x**1.5).sum()


def hand_written(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0 * x).sum()


def ends(x: Tensor) -> Tensor:
    return x.amax() + x.amin()


def running(x: Tensor) -> Tensor:
    largest = torch.cummax(x, 0)[0]
    return torch.where(largest > x, largest, 2 * x).amin()


KINKS: list[tuple[Callable[[Tensor], Tensor], list[float], list[float], str]] = [
    # a maximum at a tie: the convex combinations of unit vectors
    (torch.amax, [1.0, 1.0], [0.5, 0.5], "subgradient"),
    (torch.amax, [1.0, 1.0], [1.0, 0.0], "subgradient"),
    (torch.amax, [1.0, 1.0], [1.0, 1.0], "mismatch"),
    (torch.amax, [1.0, 1.0], [0.0, 0.0], "mismatch"),
    (torch.amax, [1.0, 1.0, 1.0], [0.5, 0.25, 0.25], "subgradient"),
    (torch.amin, [1.0, 1.0], [1.0, 0.0], "subgradient"),
    (torch.amin, [1.0, 1.0], [1.0, 1.0], "mismatch"),
    # a norm at 0: the unit ball
    (torch.linalg.norm, [0.0, 0.0], [0.6, 0.8], "subgradient"),
    (torch.linalg.norm, [0.0, 0.0], [0.9, 0.9], "mismatch"),
    # neither convex nor concave: each entry has its own
    (lambda x: torch.relu(x[0]) - torch.relu(x[1]), [0.0, 0.0], [0.0, 0.0], "subgradient"),
    (lambda x: torch.relu(x[0]) - torch.relu(x[1]), [0.0, 0.0], [1.0, -0.5], "subgradient"),
    (lambda x: torch.relu(x[0]) - torch.relu(x[1]), [0.0, 0.0], [0.0, 0.5], "mismatch"),
    (lambda x: torch.relu(x[0]) - x[1].abs(), [0.0, 0.0], [0.0, 0.0], "subgradient"),
    # a derivative along every line, and no gradient: e_i + e_j for i other than j, and what is between
    (ends, [2.0, 2.0, 2.0], [2 / 3, 2 / 3, 2 / 3], "subgradient"),
    (ends, [2.0, 2.0, 2.0], [1.0, 1.0, 0.5], "mismatch"),
    # the gradients nearby are [1, 0], [2, 0] and [0, 1]; to both sides the slope by the second entry is 0
    (running, [0.0, 0.0, -2.0], [4 / 3, 1 / 3, 0.0], "subgradient"),
    (running, [0.0, 0.0, -2.0], [2 / 3, 1.0, 0.0], "mismatch"),
    # kinks that cancel leave a smooth function
    (lambda x: (torch.relu(x) - torch.relu(-x)).sum(), [0.0], [1.0], "match"),
    (lambda x: (torch.relu(x) - torch.relu(-x)).sum(), [0.0], [0.0], "mismatch"),
    # a small kink beside large slopes
    (lambda x: (torch.relu(x) * 1e-4 + x * x).sum(), [0.0, 5.0], [0.0, 10.0001], "subgradient"),
    (lambda x: (torch.relu(x) * 1e-4 + x * x).sum(), [0.0, 5.0], [2e-4, 10.0001], "mismatch"),
    # decided by comparisons
    (hand_written, [0.0, 1.0], [0.3, 1.0], "subgradient"),
    (hand_written, [0.0, 1.0], [1.3, 1.0], "mismatch"),
    # beside a kink there is a derivative
    (lambda x: x.abs().sum(), [1e-9], [1.0], "match"),
    (lambda x: x.abs().sum(), [1e-9], [0.0], "mismatch"),
    (lambda x: x.square().sum(), [1.0, 0.0], [2.0, 0.0], "match"),
]


@pytest.mark.parametrize(("function", "start", "gradient", "wanted"), KINKS)
def test_a_gradient_at_a_kink_is_a_generalised_gradient(
    function: Callable[[Tensor], Tensor], start: list[float], gradient: list[float], wanted: str
) -> None:
    assert verdict(function, start, gradient, "finite-difference") == wanted


@pytest.mark.parametrize("count", [3, 12])
@pytest.mark.parametrize("seed", range(4))
def test_many_kinks_of_both_signs_have_autograds_choice(count: int, seed: int) -> None:
    weights = torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    said = verdict(lambda x: (weights * torch.relu(x)).sum(), [0.0] * count, [0.0] * count, "finite-difference")
    assert said is Verdict.SUBGRADIENT


def test_a_gradient_below_the_smallest_normal_number_may_be_off_by_the_last_digits_that_it_has() -> None:
    """That of 0.86/y at 1e160 is -8.594e-321, of which there are three digits."""
    own = verdict(lambda y: (0.859375 / y).sum(), [1e160], [-8.592e-321], "finite-difference")
    assert own is Verdict.MATCH


def test_the_extremes_are_looked_for_on_the_sides_that_make_them() -> None:
    weights = torch.tensor([1.0, -1.0] * 10, dtype=torch.float64)
    point = {"x": torch.zeros(20, dtype=torch.float64)}
    line = Line.of(lambda tensors: (weights * torch.relu(tensors["x"])).sum(), point, ["x"], torch.tensor(1.0))
    found = slopes(line, weights[None], sides=weights)
    assert (float(found.low), float(found.high)) == pytest.approx((0.0, 20.0), abs=1e-6)


@pytest.mark.parametrize(("function", "start", "gradient", "wanted"), [case for case in KINKS if len(case[1]) == 1])
def test_the_taylor_test_knows_kinks_too(
    function: Callable[[Tensor], Tensor], start: list[float], gradient: list[float], wanted: str
) -> None:
    assert verdict(function, start, gradient, "taylor") == wanted


def test_what_is_right_by_every_entry_is_denied_by_the_taylor_test() -> None:
    assert verdict(ends, [2.0, 2.0, 2.0], [1.0, 1.0, 1.0], "taylor") is Verdict.MISMATCH
    assert verdict(ends, [2.0, 2.0, 2.0], [2 / 3, 2 / 3, 2 / 3], "taylor") is Verdict.SUBGRADIENT


JUMPS: list[tuple[Callable[[Tensor], Tensor], list[float]]] = [
    (lambda x: torch.where(x > 0, x + 1, 0 * x).sum(), [0.0]),
    (lambda x: torch.where(x > 2, x, 2 * x).sum(), [2.0]),
    (lambda x: torch.where(x == 1, 7 * x, x).sum(), [1.0]),
    (lambda x: torch.floor(x).sum(), [3.0, 0.5]),
    (lambda x: torch.linalg.pinv(x.reshape(2, 2)).sum(), [1.0, 2.0, 2.0, 4.0]),
    (lambda x: torch.linalg.pinv(x.reshape(2, 2)).sum(), [1.0, 0.0, 0.0, 0.0]),
]


@pytest.mark.parametrize(("function", "start"), JUMPS)
def test_a_jump_has_no_derivative(function: Callable[[Tensor], Tensor], start: list[float]) -> None:
    assert verdict(function, start, [1.0] * len(start), "finite-difference") is Verdict.UNDEFINED


@pytest.mark.parametrize(
    ("function", "start", "gradient"),
    [
        (lambda x: (1 / x).sum(), 1e-3, -1e6),
        (lambda x: torch.floor(x).sum() + x.sum(), 2.5, 1.0),
        (lambda x: (1e3 * x).tanh().sum(), 0.0, 1e3),
        (lambda x: (x * 1e8).sum(), 1.0, 1e8),
    ],
)
def test_a_steep_function_does_not_jump(function: Callable[[Tensor], Tensor], start: float, gradient: float) -> None:
    assert verdict(function, [start], [gradient], "finite-difference") is Verdict.MATCH


def test_an_infinite_derivative_is_no_jump() -> None:
    assert verdict(lambda x: x.sqrt().sum(), [0.0], [math.inf], "finite-difference") is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("gradient", "may_bend", "expected"),
    [
        (15001.5, True, "undecided"),  # what the slope above is
        (15001.5, False, "mismatch"),
        (15003.0, True, "mismatch"),
        (14997.0, True, "mismatch"),
    ],
)
def test_a_kink_that_is_not_seen_for_rounding_may_be_what_a_gradient_is_off_by(
    gradient: float, may_bend: bool, expected: str
) -> None:
    """Along both entries the slopes of max(x, x**1.5) + y**1.5 at (1, 1e8) are 15001 below and 15001.5 above."""
    start = {"x": torch.tensor([1.0, 1e8], dtype=torch.float64)}
    question = Question(lambda tensors: function(tensors["x"]), start, "x", torch.tensor(1.0, dtype=torch.float64))
    both = along(question.line, torch.ones(1, 2, dtype=torch.float64))
    # known to a tenth, as it is where the output is that much larger
    quotients = dataclasses.replace(
        both,
        value=torch.tensor([15001.25], dtype=torch.float64),
        below=torch.tensor([15001.0], dtype=torch.float64),
        above=torch.tensor([15001.5], dtype=torch.float64),
        error=torch.tensor([0.01], dtype=torch.float64),
        sided_error=torch.tensor([0.1], dtype=torch.float64),
    )
    claimed = torch.tensor([1.5, gradient - 1.5], dtype=torch.float64)
    found = agreement(question.line, quotients, claimed, Tolerance.of("float64"), may_bend=may_bend)
    assert found.verdict == expected
