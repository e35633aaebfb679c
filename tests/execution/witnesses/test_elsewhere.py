"""The further points of `check`: claims that are right at the point drawn and wrong elsewhere, known by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.execution.forward.callables import target_of
from gradcli.execution.forward.further import further_points
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.sampling import run_at_a_point
from gradcli.language.program import Program
from gradcli.limits import Limits
from gradcli.ops.programs import parse_program
from gradcli.ops.record import Op
from gradcli.report.check import CheckDetails
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

# Each is right between the constants of its op, or beyond one of them, and wrong on the other side.
WRONG = [
    ("F.relu6(x).sum()", "where(x > 0, 1, 0)"),
    ("F.hardswish(x).sum()", "(2*x + 3)/6"),
    ("F.hardtanh(x, -4, 4).sum()", "1"),
    ("F.huber_loss(x, y, delta=5, reduction='sum')", "x - y"),
    ("F.softshrink(x, 3).sum()", "0"),
    ("F.softplus(x, threshold=17).sum()", "where(x > 17, 2, sigmoid(x))"),
    ("F.threshold(x, 4, 20).sum()", "0"),
    ("where(x > 42, 2*x, x).sum()", "1"),
    ("(x*x).sum()", "where(abs(x) < 3, 2*x, 0*x)"),
    ("(x*x).sum()", "where(abs(x) < 0.01, 0*x, 2*x)"),
    ("(x*x).sum()", "where(x == 0, 1, 2*x)"),
    # none of the choices at a kink
    ("abs(x).sum()", "where(x > 0, 1, -1) + where(x == 0, 5, 0)"),
    ("relu(x).sum()", "where(x > 0, 1, 0) + where(x == 0, 7, 0)"),
    ("(x/clamp(norm(x), min=0.004)).sum()", "(1 - x*sum(x)/norm(x)**2)/norm(x)"),
]
RIGHT = [
    ("F.relu6(x).sum()", "where(logical_and(x > 0, x < 6), 1, 0)"),
    ("abs(x).sum()", "where(x >= 0, 1, -1)"),
    ("abs(x).sum()", "x/abs(x)"),
    ("max(x)", "(x == max(x))/sum(x == max(x))"),
    ("tanh(x).sum()", "1 - tanh(x)**2"),
    ("tanh(x).sum()", "1/cosh(x)**2"),
    ("F.softplus(x).sum()", "1 - exp(-F.softplus(x))"),
    ("log(x).sum()", "1/x"),
    ("clamp(norm(x), max=16)", "where(norm(x) < 16, x/norm(x), 0)"),
    ("(x*y).sum()", "y"),
    ("(abs(x)*y).sum()", "y*x/abs(x)"),
]
# NaN where the derivative is a number: at 0, or where one of the numbers is negative
NOT_NUMBERS = [
    ("(x*x).sum()", "2*x*x/x"),
    ("(x*x).sum()", "2*sqrt(x)*sqrt(x)"),
    ("prod(x)", "prod(x)/x"),
]


def check(program: str, claim: str | None = None, shape: tuple[int, ...] = (3,), **options: Any) -> Report:
    claims = {"x": claim} if claim else {}
    settings = Settings(command="check", shapes={None: shape}, claims=claims, formulas=False, **options)
    return evaluate_program(program, settings)


def number(report: Report) -> int | None:
    assert isinstance(report.details, CheckDetails)
    return report.details.further_points


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize(("program", "claim"), WRONG)
def test_a_claim_that_is_wrong_elsewhere_is_found(program: str, claim: str, shape: tuple[int, ...]) -> None:
    report = check(program, claim, shape)
    assert report.verdict is Verdict.MISMATCH
    assert "further points" in (report["x"].note or "")
    assert report["x"].dissenter == "claim"


def test_a_claim_of_all_entries_that_tie_is_wrong_there() -> None:
    report = check("max(x)", "(x == max(x))*1.0", (4,))
    assert (report.verdict, report["x"].dissenter) == (Verdict.MISMATCH, "claim")


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(), (3,)])
@pytest.mark.parametrize(("program", "claim"), RIGHT)
def test_a_right_claim_stays_right(program: str, claim: str, shape: tuple[int, ...], dtype: Any) -> None:
    report = check(program, claim, shape, dtype=dtype)
    assert report.verdict is Verdict.MATCH
    assert (number(report) or 0) > 1


def test_leaves_that_are_given_stay_where_they_are() -> None:
    assert number(check("x*x", values={"x": 2.0}, shape=())) is None
    assert number(check("x*x", init="ones", shape=())) is None
    assert number(check("x*x", witnesses=("taylor",), shape=())) is None


@pytest.mark.parametrize(
    ("options", "looks"),
    [
        ({}, True),
        ({"witnesses": ("symbolic",)}, False),
        ({"witnesses": ("symbolic",), "claim": "2*x"}, True),
        ({"dtype": "float32"}, False),
        ({"dtype": "float32", "claim": "2*x"}, True),
    ],
)
def test_points_are_counted_only_where_something_can_be_reported(options: dict[str, Any], looks: bool) -> None:
    assert bool(number(check("(x*x).sum()", **options))) is looks


def test_a_gradient_that_is_wrong_elsewhere_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong_beyond_five(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x > 5, 2 * x.square() - x.square().detach(), x.square())

    def patched(op: Op, call: BoundCall) -> Callable[..., Any]:
        return wrong_beyond_five if op.name == "square" else target_of(op, call)

    monkeypatch.setattr("gradcli.execution.forward.trace.target_of", patched)
    report = check("square(x).sum()")
    assert report.verdict is Verdict.MISMATCH
    assert "further points" in (report["x"].note or "")
    assert report["x"].dissenter == "autograd"


def points(text: str, shape: tuple[int, ...]) -> list[dict[str, torch.Tensor]]:
    program: Program = parse_program(text, Limits())
    settings = Settings(command="check", shapes={None: shape})
    return further_points(program, settings, {}, run_at_a_point(program, settings, {}))


def test_entries_lie_at_constants_and_to_both_sides() -> None:
    entries = torch.cat([point["x"].reshape(-1) for point in points("F.relu6(x)", (4,)) if "x" in point])
    for wanted in (0.0, 6.0, -6.0, 2.0**-10, -100.0):
        assert wanted in entries.tolist()
    assert bool(((entries > 5) & (entries < 6)).any())
    assert bool(((entries > 6) & (entries < 7)).any())


def test_a_default_is_a_constant_too() -> None:
    entries = torch.cat([point["x"].reshape(-1) for point in points("F.softplus(x)", (4,)) if "x" in point])
    assert 20.0 in entries.tolist()


def test_points_are_the_same_each_time_and_inside_the_domain() -> None:
    first, second = points("log(x)", (4,)), points("log(x)", (4,))
    assert [point["x"].tolist() for point in first] == [point["x"].tolist() for point in second]
    assert all(bool((point["x"] > 0).all()) for point in first)


def test_neighbours_tie_at_one_point() -> None:
    assert any(bool((point["x"][0::2] == point["x"][1::2]).all()) for point in points("amax(x)", (4,)))


@pytest.mark.parametrize(("program", "claim"), NOT_NUMBERS)
def test_a_claim_that_is_not_a_number_somewhere_else_is_found(program: str, claim: str) -> None:
    report = check(program, claim)
    assert report.verdict is Verdict.UNDEFINED
    assert report["x"].dissenter == "claim"
