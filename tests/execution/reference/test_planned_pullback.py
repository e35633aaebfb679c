"""The way back of a planned run gives the gradients of the ordinary one, to the last bit, or is given up."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.engine import shared_derivations
from gradcli.execution.forward.dtypes import default_dtype
from gradcli.execution.forward.memory import in_force
from gradcli.execution.forward.plan import PLANS
from gradcli.execution.forward.run import run_program
from gradcli.execution.reference import planned_pullback
from gradcli.execution.reference.decomposition import Decomposition
from gradcli.execution.reference.inner_gradient import differentiating
from gradcli.execution.reference.planned import FilledDecomposition, decomposed
from gradcli.execution.reference.planned_pullback import Into, PlannedPullback, differentiated
from gradcli.execution.reference.pullback import Reference
from gradcli.limits import Limits
from gradcli.ops.programs import parse_program
from gradcli.settings import Settings

ATTENTION = "softmax(x @ x.T / 2, dim=-1) @ x * w"
# Programs over x of 3 x 4 and a vector w of 4, and whether their way back has a plan.
PROGRAMS = {
    ATTENTION: True,
    "x*x + x*w + x + x": True,
    "(x + w) + (x - w) * (x + w)": True,
    "sum(x.T) + sum(x*detach(w)) * ones(3, 4)": True,
    "F.layer_norm(x, (4,), w)": True,
    "logsumexp(x*w, 1) + var(x, dim=1)": True,
    "std(x, dim=1)": False,
    "sigmoid(x) * sqrt(w) + x.floor()": True,
    "x * argsort(w)": True,
    "relu(x - w) * x": False,
    "x[1:] * w": False,
}


@pytest.fixture(autouse=True)
def _no_plans() -> Iterator[None]:
    PLANS.known.clear()
    yield
    PLANS.known.clear()


def point(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=generator, dtype=torch.float64)
        for name, shape in {"x": (3, 4), "w": (4,)}.items()
    }


def run(program: str, given: dict[str, Tensor]) -> tuple[Decomposition, Tensor, Derivations]:
    """Return what the gradients of a program at a point are taken of."""
    parsed, settings, derivations = parse_program(program, Limits()), Settings(), shared_derivations().for_check(10.0)
    with default_dtype(settings):
        trace = run_program(parsed, settings, {leaf.name: given[leaf.name] for leaf in parsed.leaves})
        found = decomposed(trace, differentiating(derivations))
    derivations.request(found.requests())
    generator = torch.Generator().manual_seed(7)
    cotangent = torch.randn(trace.output.tensor.shape, generator=generator, dtype=torch.float64)
    return found, cotangent, derivations


def gradients(program: str, given: dict[str, Tensor]) -> Reference:
    found, cotangent, derivations = run(program, given)
    return differentiated(found, cotangent, derivations.known)


def planned(program: str) -> PlannedPullback | None:
    """Return the plan of a program's way back, after as many runs as it takes."""
    for seed in range(3):
        found, cotangent, derivations = run(program, point(seed))
        differentiated(found, cotangent, derivations.known)
    assert isinstance(found, FilledDecomposition)
    assert found.kept is not None
    return found.kept.get(PlannedPullback)


def entries(reference: Reference) -> list[Any]:
    values = [(traced.text, repr(value.tolist()), value.stride()) for traced, value in reference.values.items()]
    kinked = {traced.text: words for traced, words in reference.kinked.items()}
    first = None if reference.first_nan is None else reference.first_nan.outputs[0].text
    return [sorted(values), reference.undecided, kinked, first]


def pytorchs(program: str, given: dict[str, Tensor]) -> list[Tensor]:
    """Return autograd's gradients of the leaves."""
    names = [name for name in ("x", "w") if name in program]
    leaves = {name: given[name].clone().requires_grad_() for name in names}
    found, cotangent, _ = run(program, given)
    output = {ATTENTION: lambda x, w: torch.softmax(x @ x.T / 2, dim=-1) @ x * w}[program](**leaves)
    assert found.trace.output.tensor.equal(output)
    return list(torch.autograd.grad(output, [*leaves.values()], cotangent))


@pytest.mark.parametrize(("program", "has_plan"), PROGRAMS.items())
def test_the_gradients_are_those_of_the_ordinary_way_back(
    program: str, has_plan: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (planned(program) is not None) == has_plan
    others = [point(5), {name: value.round() for name, value in point(6).items()}]
    others += [{name: value * 1e200 for name, value in point(6).items()}, {n: v * 0 for n, v in point(6).items()}]
    found = [entries(gradients(program, given)) for given in others]
    monkeypatch.setattr(PlannedPullback, "again", lambda *_: None)
    assert found == [entries(gradients(program, given)) for given in others]


def test_they_are_pytorchs_and_nodes_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    planned(ATTENTION)
    monkeypatch.setattr(FilledDecomposition, "fill", None)
    found = gradients(ATTENTION, point(9))
    leaves = [value for traced, value in found.values.items() if traced.is_leaf]
    for one, other in zip(leaves, pytorchs(ATTENTION, point(9)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_a_contribution_of_another_dtype_is_not_added_in_place() -> None:
    known, contribution = torch.ones(2, dtype=torch.float64), torch.full((2,), 1 / 3, dtype=torch.float32)
    for into in (Into.KNOWN, Into.ADDED):
        adjoints = {0: known.clone()}
        planned_pullback._add(adjoints, 0, contribution.clone(), into)
        assert adjoints[0].dtype == torch.float64
        assert adjoints[0].equal(known + contribution)


def test_lower_limits_hold_although_there_is_a_plan() -> None:
    planned("exp(x) * w")
    with in_force(Limits(elements=8)):
        assert gradients("exp(x) * w", point(3)).undecided


def test_a_system_to_solve_has_no_plan() -> None:
    assert planned("torch.linalg.solve(x @ x.T, x)") is None


def test_what_entries_pick_has_no_plan() -> None:
    program = "x[argmax(w)] * w"
    given = {"x": point(0)["x"], "w": torch.tensor([0.0, 1.0, 0.5, -1.0], dtype=torch.float64)}
    other = {"x": point(1)["x"], "w": torch.tensor([0.0, 1.0, 5.0, -1.0], dtype=torch.float64)}
    for values in (given, given, given, given, other):
        found, cotangent, derivations = run(program, values)
        row, gradient = values["w"].argmax(), differentiated(found, cotangent, derivations.known).values
        by_x = next(value for traced, value in gradient.items() if traced.text == "x")
        assert by_x[row].equal(values["w"] * cotangent)
        assert by_x.count_nonzero() <= 4


def test_other_derivatives_are_not_those_of_the_plan() -> None:
    planned("exp(x)")
    found, cotangent, derivations = run("exp(x)", point(4))
    (request,) = found.requests()
    known = derivations.known[request]
    refused = {request: dataclasses.replace(known, error="there is no time")}
    assert [*differentiated(found, cotangent, refused).undecided.values()] == ["there is no time"]
    (value, *_), _ = differentiated(found, cotangent, derivations.known).values.values(), None
    torch.testing.assert_close(value, point(4)["x"].exp() * cotangent)


def test_a_way_back_without_derivatives_is_planned_once_they_are_there() -> None:
    program = "exp(x)"
    for _ in range(3):
        found, cotangent, derivations = run(program, point(0))
        failed = {one: dataclasses.replace(derivations.known[one], error="no time") for one in found.requests()}
        assert differentiated(found, cotangent, failed).undecided
    assert planned(program) is not None


def test_what_is_not_finite_is_found_by_the_ordinary_way_back() -> None:
    planned("sqrt(x) * x")
    zeros = {"x": torch.zeros(3, 4, dtype=torch.float64)}
    found = gradients("sqrt(x) * x", zeros)
    assert found.first_nan is not None  # 0 times infinity
    assert all(value.isnan().all() for traced, value in found.values.items() if traced.is_leaf)


def test_what_pytorch_refuses_is_left_to_the_ordinary_way_back(monkeypatch: pytest.MonkeyPatch) -> None:
    planned(ATTENTION)
    expected = entries(gradients(ATTENTION, point(3)))

    def refused(*_: Any) -> Any:
        raise RuntimeError("the storage has not that many bytes")

    monkeypatch.setattr(planned_pullback, "all_finite", refused)
    assert entries(gradients(ATTENTION, point(3))) == expected
