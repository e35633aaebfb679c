"""Programs that bend, jump and decide, as a whole: right values are one-sided quotients, worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import gradcli
from gradcli.engine import evaluate_program
from gradcli.execution.witnesses import bends
from gradcli.report.double_backward import DoubleBackwardDetails
from gradcli.report.report import Report
from gradcli.settings import Settings

HALVING = """low = 0*t
high = 1 + t
for _ in range(50):
    m = (low + high)/2
    c = m**3 < t
    low = where(c, m, low)
    high = where(c, high, m)
(low + high)/2"""

# A program, its leaves, and the verdict of `eval`, of `grad` and of `check`.
PROGRAMS: list[tuple[str, dict[str, Any], str]] = [
    # t itself, whose derivative is 1; autograd gives 0, and 0.02
    ("relu(t) - relu(-t)", {"t": 0.0}, "mismatch"),
    ("F.leaky_relu(t) - F.leaky_relu(-t)", {"t": 0.0}, "mismatch"),
    ("where(t > 0, t, where(t < 0, t, 0*t))", {"t": 0.0}, "mismatch"),
    ("t if t > 0 else (t if t < 0 else 0*t)", {"t": 0.0}, "mismatch"),
    # the cube root, whose derivative at 8 is 1/12; autograd gives 2/9
    (HALVING, {"t": 8.0}, "mismatch"),
    # from 0 to 1, and from 4 to 2
    ("where(t > 0, t + 1, 0*t)", {"t": 0.0}, "undefined"),
    ("t if t > 2 else 2*t", {"t": 2.0}, "undefined"),
    # 1 and 2, -1 and 1, 1 and 2
    ("where(t >= 1, t*t, t)", {"t": 1.0}, "subgradient"),
    ("t*sign(t)", {"t": 0.0}, "subgradient"),
    ("where(t.detach() > 0, t, 2*t)", {"t": 0.0}, "subgradient"),
    # the convex hull of e_i + e_j
    ("a, b = aminmax(t); a + b", {"t": [2.0, 2.0, 2.0]}, "subgradient"),
    ("relu(t).square().mean() + relu(t).mean()*0.001", {"t": [0.0, 1.0, -2.0, 3.0, 4.0, 5.0]}, "subgradient"),
    # away from where it bends
    ("where(t > 2, t, 2*t)", {"t": 1.0}, "match"),
    # a straight-through estimator is what its author says
    ("t + (round(t) - t).detach()", {"t": 0.75}, "match"),
]


@pytest.mark.parametrize(("program", "values", "wanted"), PROGRAMS)
def test_check_is_of_the_whole_program(program: str, values: dict[str, Any], wanted: str) -> None:
    report = gradcli.check(program, values)
    assert report.verdict == wanted
    assert "PyTorch's forward may not" not in (report["t"].note or "")


# `eval` looks where an op is at a kink, and where a comparison is at its boundary; `sign` is neither.
@pytest.mark.parametrize(("program", "values", "wanted"), [case for case in PROGRAMS if "sign" not in case[0]])
def test_eval_asks_the_program_where_it_bends(program: str, values: dict[str, Any], wanted: str) -> None:
    report = gradcli.evaluate(program, values)
    assert report.verdict == wanted
    assert report["t"].witnesses is None


@pytest.mark.parametrize("witness", ["symbolic", "finite-difference", "taylor"])
@pytest.mark.parametrize(("program", "values", "wanted"), [PROGRAMS[0], PROGRAMS[5], PROGRAMS[7], PROGRAMS[11]])
def test_each_witness_alone_comes_to_the_same(program: str, values: dict[str, Any], wanted: str, witness: str) -> None:
    report = gradcli.check(program, values, witnesses=[witness])
    assert report.verdict == wanted
    assert report["t"].dissenter in {None, "autograd"}


@pytest.mark.parametrize(
    ("matrix", "wanted"),
    [
        ([[1.0, 2.0], [2.0, 4.0]], "undefined"),
        ([[1.0, 0.0], [0.0, 0.0]], "undefined"),
        ([[0.0, 0.0], [0.0, 0.0]], "undefined"),
        ([[0.0], [0.0]], "undefined"),
        ([[1.0], [0.0]], "match"),
    ],
)
def test_a_pseudo_inverse_jumps_where_the_rank_falls(matrix: list[list[float]], wanted: str) -> None:
    """For an entry 1 + h the sum of the first is (1 + h)/(4h), for one h of zeros 1/h; a column of 1 keeps its rank."""
    report = gradcli.check("torch.linalg.pinv(A).sum()", {"A": matrix})
    assert report.verdict == wanted
    assert gradcli.evaluate("torch.linalg.pinv(A).sum()", {"A": matrix}).verdict == wanted


@pytest.mark.parametrize("wrong", ["[1.0, 1.0]", "[0.0, 0.0]"])
def test_a_function_that_is_wrong_at_a_tie(wrong: str) -> None:
    report = gradcli.check(
        "amax(x)", {"x": [1.0, 1.0]}, claims={"x": f"tensor({wrong})"}, witnesses=["symbolic", "finite-difference"]
    )
    assert report["x"].verdict == "mismatch"


def second(command: str, program: str, **values: Any) -> Report:
    return evaluate_program(program, Settings(command=command, values=values, grad_output="ones", times=2))  # type: ignore[arg-type]


# Second derivatives that exist although an op is at a kink: autograd gives 0 for each.
SMOOTH: list[tuple[str, dict[str, Any], float]] = [
    ("norm(t)**2", {"t": [0.0, 0.0]}, 2.0),
    ("torch.linalg.vector_norm(t)**2", {"t": [0.0, 0.0]}, 2.0),
    ("t.std()**2", {"t": [1.0, 1.0]}, 1.0),
    ("abs(t)**2", {"t": 0.0}, 2.0),
    ("exp(-norm(t - b)**2)", {"t": [1.0, 2.0], "b": [1.0, 2.0]}, -2.0),
]


@pytest.mark.parametrize(("program", "values", "right"), SMOOTH)
def test_a_second_derivative_at_a_kink_is_the_quotient_of_gradients(
    program: str, values: dict[str, Any], right: float
) -> None:
    report = second("hessian", program, **values)
    assert report.verdict == "mismatch"
    assert f"the quotient of the gradient is {right:g} from both sides" in (report["t"].note or "")


@pytest.mark.parametrize(
    ("program", "values", "wanted"),
    [
        ("relu(t)**2", {"t": 0.0}, "subgradient"),  # 0 and 2
        ("maximum(a, b)**2", {"a": 0.0, "b": 0.0}, "undefined"),  # 0 and 2, and 0 by both: autograd gives 1/2
        ("(t**2).sum()", {"t": [0.0, 0.0]}, "match"),
        ("norm(t)**2", {"t": [3.0, 4.0]}, "match"),
        ("(relu(t)**3).sum()", {"t": [0.0, 1.0]}, "match"),
        # by hand: -2 and 2; 2 from both sides; and a jump of the value
        ("where(t > 0, t*t, -t*t)", {"t": 0.0}, "subgradient"),
        ("where(t == 0, 0*t, t*t)", {"t": 0.0}, "mismatch"),
        ("where(t > 0, t + 1, t)", {"t": 0.0}, "undefined"),
        # ops that jump where the program is t, -2t and 2t, or -(t - 1)
        ("floor(t) + frac(t)", {"t": 1.0}, "match"),
        ("sign(t)*t**2", {"t": 0.0}, "subgradient"),
        ("(floor(t) - ceil(t))*(t - 1)", {"t": 1.0}, "match"),
        ("floor(t)", {"t": 1.0}, "undefined"),
        # the smallest of three nearby: its gradient jumps from entry to entry; and a value that jumps from 2 to 1
        ("mode(t)[0]**2", {"t": [1.0, 1.0, 3.0]}, "undefined"),
        ("mode(t)[0]**2", {"t": [1.0, 2.0, 2.0, 3.0]}, "undefined"),
    ],
)
def test_where_second_derivatives_differ_from_side_to_side(program: str, values: dict[str, Any], wanted: str) -> None:
    assert second("hessian", program, **values).verdict == wanted


@pytest.mark.parametrize(("program", "values", "wanted"), [("abs(t)**2", {"t": 0.0}, 2), ("relu(t)**3", {"t": 0.0}, 0)])
def test_double_backward_at_a_kink(program: str, values: dict[str, Any], wanted: int) -> None:
    report = second("double-backward", program, **values)
    assert isinstance(report.details, DoubleBackwardDetails)
    found = report.details.lifecycle.with_create_graph.second["t"]
    assert found.verdict == ("match" if wanted == 0 else "mismatch")


# Programs with kinks or jumps of ops that are none of the program, and others that no gradient shows.
WHOLE: list[tuple[str, dict[str, Any], str]] = [
    # x, x², 0 for all x nearby
    ("maximum(t, t)", {"t": 1.0}, "match"),
    ("relu(t)**2 + relu(-t)**2", {"t": 0.0}, "match"),
    ("abs(t - t)", {"t": 3.0}, "match"),
    ("floor(t/t)", {"t": 2.5}, "match"),
    ("(floor(sort(F.relu6(t))[0])).amax()", {"t": [1e-5, 0.0]}, "match"),
    ("ceil(F.l1_loss(t, t))", {"t": 0.0}, "match"),
    # kinks along (1, 1) alone: the smaller of two distances
    ("minimum(abs(t[0]), abs(t[1]))", {"t": [0.0, 0.0]}, "subgradient"),
    ("where(abs(t[0]) < abs(t[1]), abs(t[0]), abs(t[1]))", {"t": [0.0, 0.0]}, "subgradient"),
    # jumps that a gradient of 0 hides
    ("round(abs(t - sign(t))) + t", {"t": 0.0}, "undefined"),
    ("sign(floor(t))", {"t": 1.0}, "undefined"),
    # steps of 1 far from 0
    ("relu(ceil(t))", {"t": 1e8}, "undefined"),
    ("round(t)*t", {"t": 1e8 + 0.25}, "match"),
    # NaN whatever else is done to it
    ("ceil(t**sqrt(y))", {"t": 2.0, "y": -1.0}, "undefined"),
    # steps shorter than the last digit
    ("floor(t)", {"t": 1e160}, "undefined"),
    # a jump that the derivative by the op hides: hypot(t, 0) = 1/2, and hypot(t, t) below
    ("hypot(t, F.hardshrink(t, 0.5))", {"t": -0.5}, "undefined"),
    ("F.threshold(t, 0.5, 0.25)", {"t": 0.5}, "undefined"),
    ("F.threshold(t, 0.5, 0.5)", {"t": 0.5}, "subgradient"),
    # sign(t) is the op that jumps; t/2 + t² nearby
    ("(F.huber_loss(lerp(t, t, 0.25), sign(t), reduction='none'))*t", {"t": 0.0}, "mismatch"),
    # kinks beside the point, but nearer than 1e-9
    ("F.smooth_l1_loss(t, sigmoid(t), reduction='none').min()", {"t": [1e-10, 2.5, 0.0]}, "match"),
    ("norm(t, 1)", {"t": [1e-160, 1e-160, -3.0]}, "match"),
    ("norm(cos(sigmoid(F.leaky_relu(t, 0.25))), 1)", {"t": [-1e-10, -1e-10, -1e-10]}, "match"),
    # a kink at a point beside which nothing shorter than a digit of it can be seen
    ("where(t > y, t, y)", {"t": 1e17, "y": 1e17}, "subgradient"),
    # one that is 0 beside 1e24
    ("F.l1_loss(abs(t[0])**3 + 0*t, t, reduction='none')[1]*y + abs(t[0])**3", {"t": [1e8, 0.0], "y": 1.0}, "match"),
    ("F.l1_loss(t, t**3, reduction='none').sum()", {"t": [1e8, 0.0]}, "subgradient"),
    # equal values that are one, beside what the quotients of the program are too coarse for
    ("minimum(t, t)*sin(100*t)", {"t": 1e8}, "match"),
    ("lerp(maximum(t, t), y, 0.25)", {"t": 6.0, "y": 1e160}, "match"),
    # what moves to second order alone does not leave the kink, unless the slope beyond it is infinite: |t|
    ("relu(t**4)", {"t": 0.0}, "match"),
    ("F.leaky_relu((F.smooth_l1_loss(t, F.hardswish(t), reduction='none'))**2, 0.25)", {"t": 0.0}, "match"),
    ("relu(stack([t**4, t])).sum()", {"t": 0.0}, "subgradient"),
    ("abs(relu(t))", {"t": 0.0}, "subgradient"),
    ("sqrt(relu(t**2))", {"t": 0.0}, "subgradient"),
    # two that are not are still a kink
    ("maximum(t, y - t)*sin(100*t)", {"t": 1e8, "y": 2e8}, "subgradient"),
    # an infinite slope
    ("sqrt(abs(t))", {"t": 0.0}, "undefined"),
    ("F.leaky_relu(sqrt(relu(t)), 0.25).sum()", {"t": [3.0, 0.0]}, "undefined"),
    # a kink, and kinks that make t, where the shortest steps are lost beside 1/2
    ("F.softshrink(t/6 + 0.5, 0.5)", {"t": 0.0}, "subgradient"),
    ("relu(t + 0.5 - 0.5)", {"t": 0.0}, "subgradient"),
    ("relu(t + 0.5 - 0.5) - relu(-(t + 0.5 - 0.5))", {"t": 0.0}, "mismatch"),
    # a large one
    ("relu(tanh(1e12*t))", {"t": 0.0}, "subgradient"),
]


@pytest.mark.parametrize("command", ["eval", "check"])
@pytest.mark.parametrize(("program", "values", "wanted"), WHOLE)
def test_kinks_and_jumps_are_those_of_the_whole_program(
    program: str, values: dict[str, Any], wanted: str, command: str
) -> None:
    report = gradcli.evaluate(program, values) if command == "eval" else gradcli.check(program, values)
    assert report["t"].verdict == wanted


@pytest.mark.parametrize("command", ["eval", "check"])
@pytest.mark.parametrize(
    ("program", "values", "slope"),
    [
        # norm(A), whose gradient is A/norm(A)
        ("U, S, V = torch.svd(t); norm((U*S) @ V.T)", [[1.0, 0.0], [0.0, 1.0]], "0.707107"),
        # the sum of A's entries
        ("L, V = torch.linalg.eigh(t); ((V*L) @ V.mT).sum()", [[1.0, 0.0], [0.0, 1.0]], "1"),
    ],
)
def test_the_derivative_that_exists_beside_a_nan_is_named(
    program: str, values: list[list[float]], slope: str, command: str
) -> None:
    report = gradcli.evaluate(program, {"t": values}) if command == "eval" else gradcli.check(program, {"t": values})
    assert report["t"].verdict == "undefined"
    assert f"the derivative exists at [0, 0], and is {slope} by difference quotients" in (report["t"].note or "")


@pytest.mark.parametrize("command", ["eval", "check"])
def test_a_nan_that_reaches_no_leaf_does_not_count_for_leaves(command: str) -> None:
    program, values = "a = where(m == 0, 1, t); q = a/m; where(m == 0, 0, q)", {"t": 3.0, "m": 0.0}
    run = gradcli.evaluate if command == "eval" else gradcli.check
    report = run(program, values, constants="m")
    assert (report.verdict, report["t"].verdict, report["a"].verdict) == ("match", "match", "undefined")
    assert "this NaN reaches no leaf" in (report["a"].note or "")
    reaching = run("q = t/m; where(m == 0, 0, q)", values, constants="m")
    assert (reaching.verdict, reaching["t"].verdict) == ("undefined", "undefined")


def norm_with(factor: float) -> tuple[Callable[[Any], Any], Callable[[Any, Any, Any], Any]]:
    return lambda x: x.norm(), lambda g, x, norm: factor * g * x / norm


@pytest.mark.parametrize(("factor", "wanted"), [(1.0, "subgradient"), (4.0, "mismatch")])
def test_beside_a_kink_that_rounding_hides_a_gradient_is_a_choice_there_or_wrong(
    plant: Callable[..., None], factor: float, wanted: str
) -> None:
    """The mean of three times 0.1 is not quite 0.1; the gradients of a norm at 0 are those of length 1 or less."""
    plant("norm", *norm_with(factor))
    assert gradcli.evaluate("norm(A - A.mean())", {"A": [0.1, 0.1, 0.1]})["A - A.mean()"].verdict == wanted


@pytest.mark.parametrize(("size", "asked"), [(1e200, False), (1e100, True)])
def test_quotients_are_asked_only_where_the_output_is_finite(
    size: float, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    def witnessed(_: object, evaluation: Any, traced: object) -> object:
        calls.append(traced)
        return evaluation.reports[traced]

    monkeypatch.setattr(bends, "_lacks", lambda _: True)
    monkeypatch.setattr(bends, "witnessed", witnessed)
    gradcli.check("det(x)", {"x": [[size, 0.0], [0.0, size]]}, witnesses=("symbolic",))
    assert bool(calls) is asked
