"""The numerical witnesses against functions whose derivatives are known in closed form, and planted errors."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.execution.witnesses.agreement import agreement
from gradcli.execution.witnesses.line import Line, ScalarFunction, Values
from gradcli.execution.witnesses.nearer import SAFETY
from gradcli.execution.witnesses.question import Question, witnesses
from gradcli.execution.witnesses.quotients import MOST_ENTRIES, MOST_WORK, PROJECTIONS, Quotients, along, by_entries
from gradcli.execution.witnesses.taylor import Remainder, remainder
from gradcli.report.report import WitnessReport
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

DOUBLE = Tolerance.of("float64")


def tensor(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def rows(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Functions of only x, entry by entry, with their derivatives.
SCALAR: list[tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], list[float]]] = [
    (torch.sin, torch.cos, [0.3, -2.0, 5.0]),
    (torch.exp, torch.exp, [0.0, 1.0, -3.0]),
    (torch.log, lambda x: 1 / x, [0.15, 1.0, 7.0]),
    (lambda x: x**3, lambda x: 3 * x**2, [0.5, -1.25, 2.0]),
    (lambda x: torch.sin(1000 * x), lambda x: 1000 * torch.cos(1000 * x), [0.3, 0.1, 1.7]),
    (lambda x: 1 / x, lambda x: -1 / x**2, [1e-3, -2e-3, 0.5]),
    (lambda x: x**2, lambda x: 2 * x, [1e6, 2e6, -3e6]),
]
NAMES = ["sin", "exp", "log", "cube", "fast sine", "reciprocal near 0", "square of large numbers"]


@pytest.mark.parametrize("power", [1.1, 1.25, 1.5, 1.75, 2.0])
def test_the_error_of_quotients_that_converge_slowly_is_known(power: float) -> None:
    """The derivative of relu(x)**p at 0 is 0 for p > 1, and a quotient of step h is h**(p - 1)."""
    found = finite_differences(lambda v: torch.relu(v["x"]) ** power, {"x": tensor([0.0])}, "x", tensor([1.0]))
    assert abs(float(found.value)) <= SAFETY * float(found.error)
    assert max(abs(float(found.above)), abs(float(found.below))) <= SAFETY * float(found.sided_error)


def finite_differences(function: ScalarFunction, point: Values, name: str, cotangent: Tensor) -> Quotients:
    return by_entries(Line.of(function, point, [name], cotangent))


def verdict_on(
    gradient: Tensor,
    function: ScalarFunction,
    point: Values,
    cotangent: Tensor,
    name: str = "x",
    *,
    tolerance: Tolerance = DOUBLE,
) -> Verdict:
    line = Line.of(function, point, [name], cotangent)
    return agreement(line, by_entries(line), gradient, tolerance).verdict


def taylor(function: ScalarFunction, point: Values, gradient: Tensor, cotangent: Tensor, name: str = "x") -> Remainder:
    return remainder(Line.of(function, point, [name], cotangent), gradient)


def report(witness: str, function: ScalarFunction, point: Values, gradient: Tensor, cotangent: Tensor) -> WitnessReport:
    (checked,) = witnesses((witness,)).values()
    said = checked.check(Question(function, point, "x", cotangent), gradient, DOUBLE)
    assert said is not None
    return said


def question(function: Callable[[Tensor], Tensor], values: object) -> tuple[ScalarFunction, Values]:
    def named(tensors: Values) -> Tensor:
        return function(tensors["x"])

    return named, {"x": tensor(values)}


@pytest.mark.parametrize(("function", "derivative", "values"), SCALAR, ids=NAMES)
def test_differences_know_their_own_error(
    function: Callable[[Tensor], Tensor], derivative: Callable[[Tensor], Tensor], values: list[float]
) -> None:
    named, point = question(function, values)
    cotangent = tensor([1.0, -2.0, 0.5])
    right = cotangent * derivative(point["x"])
    found = finite_differences(named, point, "x", cotangent)
    assert bool(((found.value - right).abs() <= 10 * found.error).all())
    assert float((found.error / right.abs().max()).max()) < 1e-5
    assert verdict_on(right, named, point, cotangent) is Verdict.MATCH


@pytest.mark.parametrize(("function", "derivative", "values"), SCALAR, ids=NAMES)
@pytest.mark.parametrize("factor", [1.0005, 0.9995, -1.0, 0.0, 2.0])
def test_a_wrong_factor_is_seen_by_both(
    function: Callable[[Tensor], Tensor], derivative: Callable[[Tensor], Tensor], values: list[float], factor: float
) -> None:
    named, point = question(function, values)
    cotangent = tensor([1.0, -2.0, 0.5])
    wrong = factor * cotangent * derivative(point["x"])
    assert report("finite-difference", named, point, wrong, cotangent).verdict is Verdict.MISMATCH
    by_taylor = report("taylor", named, point, wrong, cotangent)
    assert by_taylor.verdict is Verdict.MISMATCH
    assert by_taylor.order == pytest.approx(1.0, abs=0.1)


def network(tensors: Values) -> Tensor:
    return torch.softmax(tensors["X"] @ tensors["W"] + tensors["b"], dim=-1).log()


def gradients(point: Values, cotangent: Tensor) -> dict[str, Tensor]:
    leaves = {name: value.clone().requires_grad_() for name, value in point.items()}
    return dict(zip(leaves, torch.autograd.grad(network(leaves), list(leaves.values()), cotangent), strict=True))


NETWORK = {"X": rows(4, 5), "W": rows(5, 3, seed=1), "b": rows(3, seed=2)}
COTANGENT = rows(4, 3, seed=3)


@pytest.mark.parametrize("name", ["X", "W", "b"])
def test_every_entry_of_a_network_agrees(name: str) -> None:
    right = gradients(NETWORK, COTANGENT)[name]
    found = finite_differences(network, NETWORK, name, COTANGENT)
    assert found.value.reshape(right.shape).allclose(right, rtol=1e-9, atol=1e-9)
    assert taylor(network, NETWORK, right, COTANGENT, name).order == pytest.approx(2.0, abs=0.02)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda gradient: gradient.roll(1, 0),
        lambda gradient: gradient.flip(-1),
        lambda gradient: gradient + 1e-6,
        lambda gradient: torch.where(gradient == gradient.max(), 0.0, gradient),
    ],
    ids=["rolled", "flipped", "shifted", "one entry dropped"],
)
def test_a_wrong_entry_is_seen(spoil: Callable[[Tensor], Tensor]) -> None:
    wrong = spoil(gradients(NETWORK, COTANGENT)["W"])
    assert verdict_on(wrong, network, NETWORK, COTANGENT, "W") is Verdict.MISMATCH


def test_a_linear_function_has_no_remainder() -> None:
    named, point = question(lambda x: 3 * x, [2.0, -1.0])
    assert taylor(named, point, tensor([3.0, 3.0]), torch.ones(2)).order == math.inf
    assert taylor(named, point, tensor([3.0, 3.001]), torch.ones(2)).order == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("choice", "verdict"), [(0.0, "subgradient"), (1.0, "subgradient"), (1.5, "mismatch")])
def test_a_kink_is_seen_from_both_sides(choice: float, verdict: str) -> None:
    named, point = question(torch.relu, [0.0, 1.0])
    assert verdict_on(tensor([choice, 1.0]), named, point, torch.ones(2)) == verdict


def test_where_no_difference_can_be_taken_nothing_is_said() -> None:
    named, point = question(torch.sqrt, [0.0])
    assert verdict_on(tensor([math.inf]), named, point, torch.ones(1)) is Verdict.UNDECIDED
    assert verdict_on(tensor([math.nan]), named, point, torch.ones(1)) is Verdict.UNDEFINED


def test_a_function_that_refuses_to_run_all_at_once_is_run_one_by_one() -> None:
    def branching(x: Tensor) -> Tensor:
        return x**2 if float(x.detach().sum()) > 0 else -x

    named, point = question(branching, [1.0, 2.0])
    found = finite_differences(named, point, "x", torch.ones(2))
    assert found.value.tolist() == pytest.approx([2.0, 4.0])


def test_a_large_tensor_is_looked_at_along_random_directions() -> None:
    named, point = question(lambda x: (x**2).sum(), [0.5] * (MOST_ENTRIES + 1))
    found = finite_differences(named, point, "x", torch.tensor(1.0))
    assert found.directions is not None
    assert len(found.value) == len(found.directions) == PROJECTIONS
    right = 2 * point["x"]
    assert verdict_on(right, named, point, torch.tensor(1.0)) is Verdict.MATCH
    right[17] *= 1.01
    assert verdict_on(right, named, point, torch.tensor(1.0)) is Verdict.MISMATCH


def test_few_entries_of_much_work_are_looked_at_along_directions() -> None:
    point = {"x": rows(8)}
    line = Line.of(lambda tensors: tensors["x"].sin(), point, ["x"], torch.ones(8), on_the_way=MOST_WORK)
    assert by_entries(line).directions is not None
    assert by_entries(Line.of(line.function, point, ["x"], torch.ones(8))).directions is None


def test_the_work_of_a_program_is_what_depends_on_the_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, int] = {}
    of = Line.of

    def noted(*given: Any, on_the_way: int = 0) -> Line:
        found[given[2][0]] = on_the_way
        return of(*given, on_the_way=on_the_way)

    monkeypatch.setattr(Line, "of", staticmethod(noted))
    tensors = {"x": rows(2, 3), "w": rows(3, 4), "v": rows(2, 4)}
    assert gradcli.check("tanh(x @ w) + exp(v)", tensors, grad_output="random")
    product, tangent, total = 6 + 12 + 8, 8 + 8, 8 + 8 + 8
    assert {name: found[name] for name in ("x", "w", "v", "x @ w")} == {
        "x": product + tangent + total,
        "w": product + tangent + total,
        "v": 8 + 8 + total,
        "x @ w": tangent + total,
    }


def test_no_shorter_steps_are_tried_where_rounding_alone_makes_them_worse() -> None:
    calls = []

    def function(tensors: dict[str, Tensor]) -> Tensor:
        calls.append(1)
        return (tensors["x"] ** 2).sum()

    values = torch.ones(8, dtype=torch.float64)
    values[0] = 1e-6  # steps beside it are short, and none that is shorter is better
    line = Line.of(function, {"x": values}, ["x"], torch.ones((), dtype=torch.float64))
    calls.clear()
    quotients = along(line, torch.ones(1, 8, dtype=torch.float64))
    assert float(quotients.value) == pytest.approx(14.0, rel=1e-6)
    assert len(calls) <= 6  # a batch, and its first, for each length of steps


def test_a_complex_tensor_follows_pytorchs_convention() -> None:
    point = {"z": torch.complex(rows(3), rows(3, seed=1))}
    cotangent = torch.complex(rows(3, seed=2), rows(3, seed=3))
    leaf = point["z"].clone().requires_grad_()
    (right,) = torch.autograd.grad(leaf.exp() * leaf.conj(), leaf, cotangent)

    def function(tensors: Values) -> Tensor:
        return tensors["z"].exp() * tensors["z"].conj()

    assert verdict_on(right, function, point, cotangent, "z") is Verdict.MATCH
    assert verdict_on(right.conj(), function, point, cotangent, "z") is Verdict.MISMATCH
    assert taylor(function, point, right, cotangent, "z").order == pytest.approx(2.0, abs=0.02)


def test_a_gradient_in_low_precision_is_granted_its_rounding() -> None:
    right = gradients(NETWORK, COTANGENT)["W"]
    low, tolerance = right.to(torch.bfloat16), Tolerance.of("bfloat16")
    assert verdict_on(low, network, NETWORK, COTANGENT, "W", tolerance=tolerance) is Verdict.MATCH
    assert verdict_on(low, network, NETWORK, COTANGENT, "W") is Verdict.MISMATCH
    assert verdict_on(low * 1.5, network, NETWORK, COTANGENT, "W", tolerance=tolerance) is Verdict.MISMATCH


def test_the_second_order_is_three() -> None:
    right = gradients(NETWORK, COTANGENT)["W"]
    found = taylor(network, NETWORK, right, COTANGENT, "W")
    assert found.second_order == pytest.approx(3.0, abs=0.05)
    named, point = question(lambda x: x.detach() * x, [2.0, -1.0])  # autograd's second derivative is 0, and wrong
    assert taylor(named, point, 2 * point["x"], torch.ones(2)).second_order != pytest.approx(3.0, abs=0.5)


def test_the_error_covers_a_jump_of_the_second_derivative() -> None:
    def bent(values: Values) -> Tensor:
        x = values["x"]
        return torch.where(x > 0, x, torch.expm1(x))

    line = Line.of(bent, {"x": tensor([0.0, 0.0, 0.0])}, ["x"], tensor([0.5, 1.0, 1.5]))
    found = by_entries(line)
    assert bool(((found.value - tensor([0.5, 1.0, 1.5])).abs() <= SAFETY * found.error).all())


def test_what_is_beside_the_point_is_in_the_error() -> None:
    """From 0 to 1e-10 the slope is 2, and else -1: nearer to 0 than any step."""
    function = lambda x: -x["x"] + (3 * x["x"]).clamp(0, 3e-10)  # noqa: E731
    found = by_entries(Line.of(function, {"x": tensor(0.0)}, ["x"], torch.ones((), dtype=torch.float64)))
    assert abs(float(found.value) + 1) <= float(found.error)


@pytest.mark.parametrize("steepness", [1e9, 1e12, 1e17])
def test_a_slope_that_no_step_is_short_enough_for_is_not_known(steepness: float) -> None:
    function = lambda x: torch.tanh(steepness * x["x"])  # noqa: E731
    found = by_entries(Line.of(function, {"x": tensor(0.0)}, ["x"], torch.ones((), dtype=torch.float64)))
    assert abs(float(found.value) - steepness) <= float(found.error) or float(found.error) == math.inf


@pytest.mark.parametrize(("slope", "known"), [(1.0, True), (0.0, False)])
def test_where_an_output_is_0_its_size_is_what_it_changes_by(slope: float, known: bool) -> None:
    """Beside an entry of slope 1 one of slope 0 is told by differences that rounding moves by 1e-28, and alone not."""
    point = {"x": tensor([0.0, 0.0])}
    line = Line.of(lambda tensors: slope * tensors["x"][..., 0], point, ["x"], tensor(1.0))
    found = by_entries(dataclasses.replace(line, grain=dataclasses.replace(line.grain, noise=1e-28)))
    assert bool(found.error[1] < 1e-8) == known
