"""Ties that rounding hides: PyTorch and the definitions each choose, by the last digits of what they computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradcli.engine import evaluate_program
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

Plant = Callable[..., None]
COMMANDS = ("eval", "check")
SECOND = ("jacobian", "hessian", "jvp", "double-backward")
# Programs that are smooth in their leaf, and choose between values that only symmetry makes equal.
SYMMETRIC = (
    "median(torch.fft.fft2(x).abs())",
    "amin(torch.fft.hfft(x, n=5), dim=1).sum()",
    "torch.fft.ifftn(x).real.sort().values[0, 1]",
    "F.pdist(torch.fft.fft(x).real, 1.0).sum()",
)


def run(program: str, command: str = "eval", **values: Any) -> Report:
    settings: dict[str, Any] = {"grad_output": "ones"} if command in {*COMMANDS, "double-backward"} else {}
    settings |= {"tangents": {"x": [1.0] * len(values["x"])}} if command == "jvp" else {}
    return evaluate_program(program, Settings(values=values, command=command, formulas=False, **settings))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("program", SYMMETRIC)
def test_a_choice_between_values_that_symmetry_makes_equal_is_no_mismatch(program: str, command: str) -> None:
    for seed in range(6):
        drawn = torch.randn(2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        report = run(program, command, x=drawn.tolist())
        assert report["x"].verdict is Verdict.MATCH
        assert Verdict.MISMATCH not in {tensor.verdict for tensor in report.tensors}, (seed, report.tensors)


def plant_mean(plant: Plant, factor: float = 1.0) -> None:
    """Have PyTorch's mean be one unit in the last place larger, and its gradient wrong by a factor."""

    def backward(gradient: Tensor, value: Tensor, _: Tensor) -> Tensor:
        return factor * gradient.expand_as(value) / value.numel()

    plant("mean", lambda value: torch.nextafter(value.sum() / value.numel(), torch.tensor(9.0)), backward)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "program", ["abs(mean(x) - y)", "relu(mean(x) - y)", "maximum(mean(x), y)", "(mean(x)-y).abs()*2"]
)
def test_the_last_digit_decides_at_a_kink(program: str, command: str, plant: Plant) -> None:
    plant_mean(plant)
    report = run(program, command, x=[1.0, 2.0, 3.0], y=2.0)
    assert {report["x"].verdict, report["y"].verdict} == {Verdict.SUBGRADIENT}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("factor", [3.0, 1.01, -1.0])
def test_a_wrong_gradient_at_such_a_kink_is_wrong(command: str, factor: float, plant: Plant) -> None:
    plant_mean(plant, factor)
    report = run("abs(mean(x) - y) + mean(x)", command, x=[1.0, 2.0, 3.0], y=2.0)
    assert report["x"].verdict is Verdict.MISMATCH


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_gradient_beside_a_choice_that_rounding_makes_is_wrong(command: str, plant: Plant) -> None:
    plant("exp", torch.exp, lambda gradient, _, result: 1.001 * gradient * result)
    report = run("median(torch.fft.fft2(exp(x)).abs())", command, x=[[0.3, -1.2, 0.7], [1.1, 0.4, -0.6]])
    assert report["x"].verdict is Verdict.MISMATCH


@pytest.mark.parametrize("command", SECOND)
def test_nor_are_jacobians_and_second_derivatives_wrong_by_it(command: str) -> None:
    for x in ([0.7, 0.7, 0.7], [0.1, 0.1, 0.1], [1.1, 1.1, 1.1]):
        assert run("amin(torch.fft.hfft(x, n=5))*y", command, x=x, y=0.7).verdict is not Verdict.MISMATCH


@pytest.mark.parametrize("command", SECOND)
def test_jacobians_and_second_derivatives_that_are_wrong_beside_it_are(command: str, plant: Plant) -> None:
    plant("exp", lambda value: 1.001 * torch.exp(value) - 0.001 * torch.exp(value).detach())
    program = "amin(torch.fft.hfft(x, n=5))*y + exp(x).sum() + exp(y)"
    assert run(program, command, x=[0.7, 0.7, 0.7], y=0.7).verdict is Verdict.MISMATCH


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("x", [[0.0, 5.5, 0.0, 0.0], [5.5, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 2.0, 1.0, 1.0, 1.0]])
@pytest.mark.parametrize("program", ["median(x, dim=0)[0]", "relu(median(x, dim=0)[0] + 3)*y", "kthvalue(x, 2).values"])
def test_the_middle_one_of_three_equal_values_is_a_right_choice(program: str, x: list[float], command: str) -> None:
    given = {"y": 4.0} if "y" in program else {}
    assert run(program, command, x=x, **given)["x"].verdict is Verdict.SUBGRADIENT


@pytest.mark.parametrize("command", COMMANDS)
def test_one_that_is_not_the_middle_one_is_wrong(command: str, plant: Plant) -> None:
    plant("relu", torch.relu, lambda gradient, value, _: gradient * (value > 0) * 1.5)
    x = [0.0, 5.5, 0.0, 0.0]
    assert run("relu(median(x, dim=0)[0] + 3)", command, x=x)["x"].verdict is Verdict.MISMATCH


# All are 0 for every x, or smooth: only rounding is between the two that are subtracted, or chosen from.
HIDDEN = (
    "relu(std(x) - std(x + 1))",
    "abs(std(x) - std(x + 1))",
    "maximum(std(x), std(x + 1))",
    "abs(logsumexp(x, 0) + 1 - logsumexp(x + 1, 0))",
    "amax(softmax(x, 0) - softmax(x + 1, 0))",
)


def in_dtype(program: str, command: str, dtype: str, x: list[float]) -> Report:
    settings: dict[str, Any] = {} if command == "jvp" else {"grad_output": "ones"}
    settings |= {"tangents": {"x": [1.0] * len(x)}} if command == "jvp" else {}
    return evaluate_program(
        program, Settings(values={"x": x}, command=command, dtype=dtype, formulas=False, **settings)
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("command", [*COMMANDS, "hessian", "double-backward", "jvp"])
def test_a_tie_that_rounding_hides_is_no_mismatch_in_any_dtype(command: str, dtype: str) -> None:
    entries = [[0.1, 0.2, 0.4], [-1.83, 1.599, -1.277, 0.3255], [0.66, 0.267, 0.0617]]
    found = {(program, *x): in_dtype(program, command, dtype, x).verdict for program in HIDDEN for x in entries}
    assert {case: verdict for case, verdict in found.items() if verdict is Verdict.MISMATCH} == {}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("factor", [2.0, 0.5, -1.0])
def test_a_wrong_gradient_at_such_a_tie_is_wrong_in_single_precision(command: str, factor: float, plant: Plant) -> None:
    plant("exp", torch.exp, lambda gradient, _, result: factor * gradient * result)
    report = in_dtype("relu(std(x) - std(x + 1)) + exp(x).sum()", command, "float32", [0.1, 0.2, 0.4])
    assert report["x"].verdict is Verdict.MISMATCH


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_wrong_second_derivative_beside_such_a_tie_is_wrong(dtype: str, plant: Plant) -> None:
    plant("exp", lambda value: 2.0 * torch.exp(value) - torch.exp(value).detach())
    report = in_dtype("maximum(std(x), std(x + 1)) + exp(x).sum()", "hessian", dtype, [0.1, 0.2, 0.4])
    assert report.verdict in {Verdict.MISMATCH, Verdict.UNDECIDED}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("size", [1e150, 1e160])
def test_a_square_of_rounding_decides_at_a_kink(size: float, command: str) -> None:
    """The variance of three equal numbers is 0; if their mean is off by a last bit, it is 1e268 or more."""
    report = run("relu(var(x)) + log(x).sum()", command, x=[size] * 3)
    assert report["var(x)"].verdict in {Verdict.SUBGRADIENT, Verdict.UNDECIDED}
    assert report["x"].verdict is Verdict.MATCH
