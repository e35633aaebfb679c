"""Infinite gradients that are not infinite derivatives, worked out by hand and by one-sided quotients in mpmath."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mpmath import inf, mp, mpf

from gradcli.engine import evaluate_program
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


def evaluate(program: str, dtype: torch.dtype = torch.float64, **leaves: Any) -> Report:
    tensors = {name: torch.tensor(value, dtype=dtype) for name, value in leaves.items()}
    settings = Settings(formulas=False, dtype=str(dtype).removeprefix("torch."))
    return evaluate_program(program, settings, tensors)


# A program, its leaves, the leaf whose gradient is infinite, and its derivative as text.
TOO_LARGE: list[tuple[str, dict[str, Any], str, str]] = [
    ("(x/y).sum()", {"x": [1e8, 1e8], "y": [1e-160, 6.0]}, "y", "-1.000e+328"),  # -x/y²
    ("reciprocal(y)", {"y": 1e-160}, "y", "-1.000e+320"),  # -1/y²
    ("y/x", {"x": 1e-200, "y": 1e100}, "x", "-1.000e+500"),
    ("log(y)", {"y": 1e-310}, "y", "1.000e+310"),  # 1/y
    ("x*1e308 + 1e308*x", {"x": 0.25}, "x", "2.00e+308"),
]


@pytest.mark.parametrize(("program", "leaves", "name", "size"), TOO_LARGE)
def test_a_derivative_that_no_double_holds_is_not_infinite(
    program: str, leaves: dict[str, Any], name: str, size: str
) -> None:
    found = evaluate(program, **leaves)[name]
    assert bool(torch.as_tensor(found.gradient).isinf().any())
    assert found.verdict is Verdict.UNDEFINED
    assert f"not infinite, but too large for double precision: {size}" in str(found.note)


def test_what_leads_to_an_overflow_rests_on_it() -> None:
    report = evaluate("reciprocal(2.5*y)", y=4e-161)
    assert {report["y"].verdict, report["2.5*y"].verdict} == {Verdict.UNDEFINED}
    assert report["y"].note == report["2.5*y"].note


def test_a_gradient_that_overflows_on_the_way_to_a_number_is_wrong() -> None:
    """The derivative of a*x + b*x + c*x by x is a + b + c; the first two add up to 2e308."""
    report = evaluate("cat([1e308*x, 1e308*x, -1.5e308*x]).sum()", x=[0.25])
    found = report["x"]
    if math.isinf(float(found.gradient)):  # PyTorch may add them in any order
        assert found.verdict is Verdict.MISMATCH
        assert "5e+307: it overflows on the way" in str(found.note)


def test_a_sum_over_a_broadcast_axis_that_overflows_is_too_large() -> None:
    found = evaluate("(x*y).sum()", x=0.25, y=[1e308, 1e308])["x"]
    assert (float(found.gradient), found.verdict) == (math.inf, Verdict.UNDEFINED)
    assert "2.000e+308" in str(found.note)


def test_an_overflow_in_a_call_that_is_not_pointwise_is_seen_beside_the_point() -> None:
    """The slope of 1e200*(x @ y) by x is 1e200*y."""
    found = evaluate("1e200*(x @ y)", x=[0.0, 0.0], y=[1e200, 1.0])["x"]
    assert found.gradient.tolist() == [math.inf, 1e200]
    assert found.verdict is Verdict.UNDEFINED
    assert "1.00e+400" in str(found.note)


@pytest.mark.parametrize(
    ("dtype", "y", "derivative"), [(torch.float32, 1e-30, "-9.9999"), (torch.float16, 1e-3, "-99919")]
)
def test_a_lower_dtype_has_fewer_numbers(dtype: torch.dtype, y: float, derivative: str) -> None:
    found = evaluate("(1/y).sum()", dtype, y=[y, 2.0])["y"]
    assert found.verdict is Verdict.UNDEFINED
    assert "too large for the dtype that it is computed in" in str(found.note)
    assert derivative in str(found.note)


def test_an_infinite_gradient_that_the_dtype_would_hold_is_wrong(plant: Callable[..., None]) -> None:
    plant("exp", torch.exp, lambda gradient, _, result: gradient * result * math.inf)
    assert evaluate("exp(x)", torch.float32, x=1.0)["x"].verdict is Verdict.MISMATCH
    plant("exp", torch.exp, lambda gradient, _, result: -gradient * result * math.inf)
    assert evaluate("exp(x)/1e-30/1e-30", torch.float32, x=-100.0)["x"].verdict is Verdict.MISMATCH


# Programs that are as steep as can be at the end of their domain, in PyTorch and in mpmath, the point and the side.
STEEP: list[tuple[str, Callable[[mpf], mpf], float, int]] = [
    ("sqrt(x)", mp.sqrt, 0.0, 1),
    ("x**0.5", mp.sqrt, 0.0, 1),
    ("acos(x)", mp.acos, 1.0, -1),
    ("acos(x)", mp.acos, -1.0, 1),
    ("acosh(x)", mp.acosh, 1.0, 1),
    ("special.entr(x)", lambda x: -x * mp.log(x) if x else mpf(0), 0.0, 1),
    ("sqrt(x)", mp.sqrt, -0.0, 1),
    ("x**0.5", mp.sqrt, -0.0, 1),
    ("(-x)**0.5", lambda x: mp.sqrt(-x), 0.0, -1),
    ("(x*2 - 2)**0.5", lambda x: mp.sqrt(2 * x - 2), 1.0, 1),
]


@pytest.mark.parametrize(("program", "function", "at", "side"), STEEP)
def test_an_infinite_derivative_is_one_with_its_sign(
    program: str, function: Callable[[mpf], mpf], at: float, side: int
) -> None:
    found = evaluate(program, x=at)["x"]
    right = float(found.gradient) == steepness(function, at, side)
    assert found.verdict is (Verdict.MATCH if right else Verdict.MISMATCH)


def test_an_infinite_derivative_in_a_call_that_is_not_pointwise_is_one() -> None:
    """The slope of (1 + sqrt(x))**2 at 0."""
    found = evaluate("F.lp_pool1d(x, 0.5, 2)", x=[[1.0, 0.0]])["x"]
    assert found.gradient.tolist() == [[1.0, math.inf]]
    assert found.verdict is Verdict.MATCH


def steepness(function: Callable[[mpf], mpf], at: float, side: int) -> float:
    """Return the limit of one-sided quotients, which grow without bound."""
    with mp.workdps(200):
        first, last = (
            (function(at + side * h) - function(mpf(at))) / (side * h) for h in (mpf(10) ** -40, mpf(10) ** -80)
        )
    assert abs(last) > abs(first) + 1
    return float(inf * mp.sign(last))
