from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gradcli.engine import evaluate_program
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings


def evaluate(program: str, **leaves: object) -> Report:
    tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in leaves.items()}
    return evaluate_program(program, Settings(formulas=False), tensors)


@pytest.mark.parametrize(
    "program",
    [
        "relu(log(x))",
        "abs(log(x))",
        "relu6(log(x))",
        "minimum(log(x), 0*x)",
        "maximum(2*x, log(x))",
        "clamp(log(x), 0, 1)",
        "hardtanh(log(x))",
        "(relu(log(x))*2 + x)",
    ],
)
def test_no_derivative_at_a_value_that_is_nan_and_the_op_that_made_it_is_named(program: str) -> None:
    report = evaluate(program, x=-1.0)
    assert report.output.value.isnan()  # PyTorch's own value
    assert report.verdict is Verdict.UNDEFINED
    assert not any(tensor.verdict is Verdict.MISMATCH for tensor in report.tensors)
    assert report["x"].verdict is Verdict.UNDEFINED
    assert "'log(x)' is NaN" in str(report["x"].note)


def test_a_nan_that_the_output_is_not_made_of_hides_nothing() -> None:
    report = evaluate("where(x > 0, abs(log(x)), 3*x)", x=-1.0)
    assert report["x"].verdict is Verdict.MATCH
    assert float(report["x"].gradient) == 3.0


def test_a_tensor_beside_the_nan_keeps_its_verdict() -> None:
    report = evaluate("cat([abs(log(x)), y]).sum()", x=[-1.0], y=[2.0])
    assert (report["x"].verdict, report["y"].verdict) == (Verdict.UNDEFINED, Verdict.MATCH)


@pytest.mark.parametrize(("program", "x"), [("reciprocal(x) + y", 0.0), ("exp(x) + y", 1000.0), ("y - log(x)", 0.0)])
def test_no_derivative_where_the_output_is_infinite_whatever_else_it_is_made_of(program: str, x: float) -> None:
    report = evaluate(program, x=x, y=2.0)
    assert report.output.value.isinf()
    assert (report["x"].verdict, report["y"].verdict) == (Verdict.UNDEFINED, Verdict.UNDEFINED)
    assert "is infinite here" in str(report["y"].note)


@pytest.mark.parametrize("program", ["y*inf + x", "y.masked_fill(y > 0, -inf) + 2*y - x", "y + x"])
def test_an_infinity_that_is_given_may_be_meant(program: str) -> None:
    assert evaluate(program, y=2.0, x=math.inf)["y"].verdict is Verdict.MATCH


def test_a_tensor_beside_the_infinity_keeps_its_verdict() -> None:
    report = evaluate("cat([log(x), y]).sum()", x=[0.0], y=[2.0])
    assert (report["x"].verdict, report["y"].verdict) == (Verdict.UNDEFINED, Verdict.MATCH)


def test_a_wrong_gradient_beside_the_nan_is_still_wrong(plant: Callable[..., None]) -> None:
    plant("exp", torch.exp, lambda gradient, _, result: 2 * gradient * result)
    report = evaluate("cat([abs(log(x)), exp(y)]).sum()", x=[-1.0], y=[2.0])
    assert (report["x"].verdict, report["y"].verdict) == (Verdict.UNDEFINED, Verdict.MISMATCH)


def test_a_value_that_is_given_as_nan_is_named() -> None:
    report = evaluate("relu(x)", x=math.nan)["x"]
    assert report.verdict is Verdict.UNDEFINED
    assert "the value of 'x' is NaN" in str(report.note)


@pytest.mark.parametrize(
    ("program", "point"),
    [("xlogy(x, -1.7)", 2.0), ("median(log(x))", [-1.0, 2.0]), ("median(log(x))", [-1.0, -2.0, 3.0])],
)
def test_no_derivative_is_undefined_where_the_definition_has_none_for_a_nan(program: str, point: object) -> None:
    report = evaluate(program, x=point)
    assert report["x"].verdict is Verdict.UNDEFINED
    assert "NaN" in str(report["x"].note)
    assert "division by zero" not in str(report["x"].note)


SINGULAR = {
    "equal singular values": ("U, S, V = svd(A); norm((U*S) @ V.T)", [[1.0, 0, 0], [0, 1, 0], [0, 0, 2]]),
    "dependent columns": ("Q, R = torch.linalg.qr(A); (R**2).sum()", [[1.0, 0], [2, 0]]),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_a_nan_gradient_of_a_degenerate_factorisation_is_undefined_and_said_to_be_nan(name: str) -> None:
    program, point = SINGULAR[name]
    report = evaluate(program, A=point)["A"]
    assert report.gradient.isnan().any()  # PyTorch's own
    assert report.verdict is Verdict.UNDEFINED
    assert "NaN" in str(report.note)


def power_jumps(base: float, exponent: float) -> bool:
    """Return whether base ** exponent changes by more than a half for steps of the exponent to some side."""
    return any(abs(math.pow(base, exponent + h) - math.pow(base, exponent)) > 0.5 for h in (1e-9, 1e-15))


def test_a_power_of_zero_jumps_by_an_exponent_of_zero_alone() -> None:
    assert power_jumps(0.0, 0.0)
    assert not power_jumps(0.0, 3.0)
    at_zero, further = evaluate("x**y", x=0.0, y=0.0), evaluate("x**y", x=0.0, y=3.0)
    assert (at_zero["x"].verdict, at_zero["y"].verdict) == (Verdict.MATCH, Verdict.UNDEFINED)
    assert "jumps" in str(at_zero["y"].note)
    assert further.verdict is Verdict.MATCH
    assert evaluate("0**y", y=0.0)["y"].verdict is Verdict.UNDEFINED
    assert evaluate("x**0", x=0.0)["x"].verdict is Verdict.MATCH


def test_an_operand_by_which_a_value_does_not_jump_has_a_derivative() -> None:
    report = evaluate("torch.copysign(x, y)", x=2.0, y=0.0)  # x or -x, by the sign of y
    assert (report["x"].verdict, report["y"].verdict) == (Verdict.MATCH, Verdict.UNDEFINED)


def difference_quotient(point: Tensor, index: tuple[int, int], largest: float) -> float:
    moved = point.clone()
    moved[index] += 1e-3
    return float((torch.renorm(moved, 2, -1, largest).sum() - torch.renorm(point, 2, -1, largest).sum()) / 1e-3)


def test_renorm_to_zero_is_zero_everywhere_and_does_not_jump() -> None:
    point = torch.tensor([[0.1, 0], [0, 0]], dtype=torch.float64)
    assert difference_quotient(point, (0, 1), 0.0) == 0.0
    report = evaluate("renorm(t, 2, -1, 0).sum()", t=point.tolist())["t"]
    assert report.symbolic.value.abs().max() == 0
    assert report.verdict is Verdict.MISMATCH
    assert "jumps" not in str(report.note)


def test_renorm_jumps_where_a_norm_is_the_largest_one() -> None:
    assert evaluate("renorm(t, 2, -1, 1).sum()", t=[[1.0, 0], [0, 0.5]])["t"].verdict is Verdict.UNDEFINED


def test_a_second_derivative_that_is_nan_is_undefined_though_no_symbolic_one_is_known() -> None:
    leaf = torch.eye(2, dtype=torch.float64)
    report = evaluate_program(
        "L, Q = torch.linalg.eigh(A); ((Q*L) @ Q.T)[0, 1]", Settings(command="hessian"), {"A": leaf}
    )
    assert report.verdict is Verdict.UNDEFINED
    assert "NaN" in str(report["A"].note)
