from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from gradcli.engine import evaluate_program
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

Values = dict[str, float | list[float]]


def run(program: str, **values: float | list[float]) -> Report:
    return evaluate_program(program, Settings(values=values, grad_output="ones"))  # type: ignore[arg-type]


# A program at a kink, and autograd's choice for each leaf.
CHOICES: list[tuple[str, Values, Values]] = [
    ("relu(x)", {"x": 0.0}, {"x": 0.0}),
    ("relu(x)", {"x": [-1.0, 0.0, 2.0]}, {"x": [0.0, 0.0, 1.0]}),
    ("abs(x)", {"x": 0.0}, {"x": 0.0}),
    ("clamp(x, 0, 1)", {"x": 0.0}, {"x": 1.0}),
    ("clamp(x, 0, 1)", {"x": [0.0, 0.5, 1.0, 2.0]}, {"x": [1.0, 1.0, 1.0, 0.0]}),
    ("maximum(x, y)", {"x": 1.0, "y": 1.0}, {"x": 0.5, "y": 0.5}),
    ("minimum(x, y)", {"x": 1.0, "y": 1.0}, {"x": 0.5, "y": 0.5}),
    ("amax(x)", {"x": [1.0, 1.0, 1.0]}, {"x": [1 / 3, 1 / 3, 1 / 3]}),
    ("amax(x)", {"x": [1.0, 3.0, 3.0]}, {"x": [0.0, 0.5, 0.5]}),
    ("norm(x)", {"x": [0.0, 0.0]}, {"x": [0.0, 0.0]}),
    ("F.hardtanh(x)", {"x": [-1.0, 1.0]}, {"x": [0.0, 0.0]}),
    ("F.leaky_relu(x)", {"x": 0.0}, {"x": 0.01}),
    ("relu(x)*3 + y", {"x": 0.0, "y": 1.0}, {"x": 0.0, "y": 1.0}),
]


@pytest.mark.parametrize(("program", "values", "choices"), CHOICES)
def test_a_choice_between_the_one_sided_derivatives(program: str, values: Values, choices: Values) -> None:
    report = run(program, **values)
    assert report.verdict is Verdict.SUBGRADIENT
    for name, choice in choices.items():
        assert report[name].gradient.tolist() == pytest.approx(choice)
        assert report[name].symbolic.value.tolist() == pytest.approx(choice)
    assert "one-sided" in (report["x"].note or "")


def test_what_is_upstream_of_a_kink_follows_the_choice() -> None:
    report = run("sum(relu(w*x))", w=[0.0, 2.0], x=[3.0, 5.0])
    # relu(0*x) is 0 for every x.
    assert (report["w"].verdict, report["x"].verdict) == (Verdict.SUBGRADIENT, Verdict.MATCH)
    assert report["w"].gradient.tolist() == [0.0, 5.0]


def test_what_no_kink_is_on_the_way_to_matches() -> None:
    report = run("relu(x) + y**2", x=0.0, y=3.0)
    assert report["y"].verdict is Verdict.MATCH


@pytest.mark.parametrize("program", ["relu(x)", "abs(x)", "maximum(x, 0*x)", "clamp(x, -1, 1)", "norm(x)"])
def test_beside_a_kink_there_is_a_derivative(program: str) -> None:
    assert run(program, x=[2.0**-20]).verdict is Verdict.MATCH


def test_a_kink_that_no_gradient_reaches_is_none() -> None:
    assert run("x*3 + 0*abs(x)", x=0.0)["x"].verdict is Verdict.MATCH


@pytest.mark.parametrize("factor", [2.0, -1.0])
def test_a_choice_outside_is_a_mismatch(factor: float, plant: Callable[..., None]) -> None:
    plant("relu", lambda value: value.clamp_min(0) * 1.0, lambda gradient, *_: gradient * factor)
    assert run("relu(x)", x=0.0).verdict is Verdict.MISMATCH


@pytest.mark.parametrize("program", ["where(x > 0, sqrt(x), 0*x)", "where(x > 0, x/0, x)", "where(x > 0, log(x), x)*0"])
def test_nan_in_the_branch_that_is_not_taken_is_named(program: str) -> None:
    report = run(program, x=-1.0)
    if report["x"].gradient.isnan().any():
        assert report.verdict is Verdict.UNDEFINED
        assert "NaN" in (report["x"].note or "")
    else:
        assert report.verdict is Verdict.MATCH


def test_an_infinite_derivative_matches_itself() -> None:
    report = run("sqrt(x)", x=0.0)
    assert report["x"].gradient.item() == float("inf")
    assert report.verdict in {Verdict.MATCH, Verdict.UNDEFINED}


def test_a_value_that_was_only_measured_says_so() -> None:
    report = run("x**y * 3", x=0.0, y=2.0)
    assert report.verdict is Verdict.MATCH
    assert "difference quotients" in (report["x"].note or "")
    assert report["x**y"].note is None


@pytest.mark.parametrize("image", [[2.0, 2.0, 2.0, 2.0], [1.0, 2.0, 4.0, 8.0]])
def test_what_an_op_is_linear_in_has_no_kink(image: list[float]) -> None:
    leaves = {"x": torch.tensor(image).reshape(1, 1, 2, 2), "g": torch.full((1, 1, 1, 2), 1.0)}
    program = "F.grid_sample(x, g, align_corners=True).sum()"
    report = evaluate_program(program, Settings(formulas=False), {name: leaf.double() for name, leaf in leaves.items()})
    assert (report["x"].verdict, report["g"].verdict) == (Verdict.MATCH, Verdict.SUBGRADIENT)


@pytest.mark.parametrize("program", ["sqrt(amax(y))", "sqrt(y.max(0)[0])"])
def test_an_infinite_gradient_is_shared_out_as_a_finite_one(program: str) -> None:
    # The largest of equal entries moves with each, so that the root is infinitely steep by each.
    found = run(f"y = x*x; {program}", x=[0.0, 0.0])["y"]
    assert found.verdict is Verdict.UNDEFINED
    assert found.gradient.isinf().any()
    assert found.gradient.isinf().equal(found.symbolic.value.isinf())
