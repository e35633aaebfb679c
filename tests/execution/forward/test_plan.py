"""A program that has run on leaves of one kind runs by its plan, which says what is done; values say what is found."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

import gradcli
from gradcli.engine import shared_derivations
from gradcli.execution.formulas import formulas
from gradcli.execution.forward import plan
from gradcli.execution.forward.interpreter import Interpreter
from gradcli.execution.forward.plan import MOST, PLANS, Plan, kind_of
from gradcli.execution.forward.run import run_program
from gradcli.execution.forward.trace import Autocast, Trace
from gradcli.language.program import Program
from gradcli.limits import Limits
from gradcli.ops.programs import parse_program
from gradcli.settings import Settings

# As many runs as it takes until the next is one by the plan.
BEFORE = 2
ATTENTION = "softmax(Q @ K.T / 8, dim=-1) @ V"


@pytest.fixture(autouse=True)
def _no_plans() -> Iterator[None]:
    PLANS.known.clear()
    yield
    PLANS.known.clear()


def check(program: str, **options: Any) -> gradcli.Report:
    leaves = {name: value for name, value in options.items() if isinstance(value, Tensor | list | float)}
    return gradcli.check(program, leaves, grad_output="ones", witnesses=("symbolic",))


def after(program: str, *, times: int = BEFORE, **leaves: Any) -> Callable[..., gradcli.Report]:
    """Return what checks a program that has been checked at some point before."""
    for _ in range(times):
        check(program, **leaves)
    return lambda **others: check(program, **others)


def only_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> Any:
        raise AssertionError("the program is walked through")

    monkeypatch.setattr(Interpreter, "run", refused)


def doubles(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    return torch.softmax(queries @ keys.T / 8, dim=-1) @ values


def test_a_third_run_is_not_walked_through_and_has_the_gradients_at_its_own_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    again = after(ATTENTION, Q=doubles(4, 8), K=doubles(4, 8, seed=1), V=doubles(4, 8, seed=2))
    only_planned(monkeypatch)
    leaves = [doubles(4, 8, seed=seed).requires_grad_() for seed in (7, 8, 9)]
    report = again(**dict(zip("QKV", (leaf.detach() for leaf in leaves), strict=True)))
    attention(*leaves).sum().backward()
    assert report.verdict == "match"
    for name, leaf in zip("QKV", leaves, strict=True):
        torch.testing.assert_close(report[name].gradient, leaf.grad, rtol=0, atol=0)
        torch.testing.assert_close(report[name].symbolic.value, leaf.grad)


def test_a_planned_run_calls_tensors_as_one_that_is_walked_through() -> None:
    program = "y = x*2; a, b = chunk(y, 2); z = a + b; mean(z * z)"
    first = check(program, x=doubles(4))
    third = after(program, times=1, x=doubles(4))(x=doubles(4))
    assert [(t.name, t.kind, t.grad_fn, t.symbolic.formula) for t in third.tensors] == [
        (t.name, t.kind, t.grad_fn, t.symbolic.formula) for t in first.tensors
    ]


@pytest.mark.parametrize(
    ("program", "smooth", "bent", "verdict"),
    [
        ("sum(relu(x))", [1.0, -2.0], [1.0, 0.0], "subgradient"),
        ("sum(abs(x - 1))", [3.0, -2.0], [1.0, 5.0], "subgradient"),
        ("amax(x)", [1.0, 2.0], [2.0, 2.0], "subgradient"),
        ("sum(sqrt(x))", [1.0, 2.0], [1.0, -1.0], "undefined"),
        ("sum(x*log(x))", [1.0, 2.0], [1.0, 0.0], "undefined"),
        ("sum(floor(x)*x)", [0.5, 1.5], [0.5, 2.0], "undefined"),
        ("sum(relu(x))", [1.0, 0.0], [1.0, -2.0], "match"),
        ("sum(x*log(x))", [1.0, 0.0], [1.0, 2.0], "match"),
    ],
)
def test_kinks_jumps_and_what_is_not_finite_are_found_in_every_run(
    program: str, smooth: list[float], bent: list[float], verdict: str
) -> None:
    assert after(program, times=3, x=smooth)(x=bent).verdict == verdict


@pytest.mark.parametrize(
    ("program", "function"),
    [
        ("max(x, 0)[0].sum()", lambda x: x.max(0)[0].sum()),
        ("sort(x).values @ arange(3.0)", lambda x: x.sort().values @ torch.arange(3.0, dtype=torch.float64)),
        ("sum(where(x > 0, x**2, -x))", lambda x: torch.where(x > 0, x**2, -x).sum()),
        ("y = x[x > 0]; sum(y*y)", lambda x: (x[x > 0] ** 2).sum()),
        ("norm(x, 0.5)", lambda x: torch.linalg.vector_norm(x, 0.5)),
        ("x.sum() if x[0] > 0 else prod(x)", lambda x: x.sum() if x[0] > 0 else x.prod()),
        ("y = x\nwhile y.sum() < 20:\n    y = y * 2\ny.sum()", lambda x: _doubled(x).sum()),
    ],
)
def test_which_entries_and_which_branch_are_decided_in_every_run(
    program: str, function: Callable[[Tensor], Tensor]
) -> None:
    again = after(program, times=3, x=[1.0, 2.0, 3.0])
    for values in ([3.0, 1.0, 2.0], [-1.0, 4.0, 2.5], [-3.0, -1.0, 40.0]):
        x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        function(x).backward()
        report = again(x=values)
        assert report.verdict == "match", values
        torch.testing.assert_close(report["x"].gradient, x.grad)
        torch.testing.assert_close(report["x"].symbolic.value, x.grad)


def _doubled(x: Tensor) -> Tensor:
    while x.sum() < 20:
        x = x * 2
    return x


def test_where_entries_come_from_is_traced_in_every_run() -> None:
    program, rows = "sum(X[i] * W)", torch.tensor([0, 1])
    again = after(program, times=3, X=doubles(3, 2), W=doubles(2, 2), i=rows)
    for picked in ([2, 0], [1, 1]):
        report = again(X=doubles(3, 2), W=doubles(2, 2, seed=1), i=torch.tensor(picked))
        wanted = torch.zeros(3, 2, dtype=torch.float64).index_add_(0, torch.tensor(picked), doubles(2, 2, seed=1))
        torch.testing.assert_close(report["X"].symbolic.value, wanted)
        assert report.verdict == "match"


@pytest.mark.parametrize(
    "other",
    [doubles(2, 4), doubles(4, 3), doubles(3, 4).T.contiguous().T, doubles(3, 4).float(), doubles(4, 4)[:3]],
)
def test_leaves_of_a_different_kind_are_not_run_by_the_plan(other: Tensor) -> None:
    again = after("y = x.reshape(-1); sum(y[1:]**2)", times=3, x=doubles(3, 4))
    report, x = again(x=other), other.to(torch.float64)
    wanted = (2 * x).reshape(-1).clone()
    wanted[0] = 0
    torch.testing.assert_close(report["x"].symbolic.value, wanted.reshape(x.shape))
    assert report.verdict == "match"


def test_a_leaf_that_is_a_constant_now_has_no_gradient() -> None:
    after("sum(x*w)", times=3, x=[1.0, 2.0], w=[3.0, 4.0])
    report = gradcli.check("sum(x*w)", {"x": [1.0, 2.0], "w": [3.0, 4.0]}, constants="w", witnesses=("symbolic",))
    assert report["w"].gradient is None
    assert report["x"].gradient.tolist() == [3.0, 4.0]


def test_what_pytorch_refuses_at_other_values_is_refused_in_the_same_words() -> None:
    program, good = "torch.linalg.cholesky(A).sum()", [[2.0, 0.0], [0.0, 3.0]]
    again = after(program, times=3, A=good)
    with pytest.raises(gradcli.GradcliError) as planned:
        again(A=[[1.0, 0.0], [0.0, -1.0]])
    PLANS.known.clear()
    with pytest.raises(gradcli.GradcliError) as whole:
        again(A=[[1.0, 0.0], [0.0, -1.0]])
    assert (planned.value.message, planned.value.span) == (whole.value.message, whole.value.span)
    assert again(A=good).verdict == "match"


def test_an_entry_that_says_how_much_memory_a_call_takes_is_checked_in_every_run() -> None:
    again = after("sum(repeat_interleave(x, n, dim=0))", times=3, x=doubles(2), n=torch.tensor([1, 2]))
    with pytest.raises(gradcli.GradcliError, match="elements"):
        again(x=doubles(2), n=torch.tensor([1, 1 << 40]))


def test_a_gradient_that_is_wrong_is_found_by_the_plan_of_a_run_in_which_it_was_right(
    plant: Callable[..., None],
) -> None:
    again = after("sum(exp(x))", times=3, x=[1.0, 2.0])
    plant("exp", torch.exp, lambda gradient, _, result: -gradient * result)
    assert again(x=[1.0, 2.0]).verdict == "mismatch"


def test_formulas_are_those_of_the_upstream_gradient_of_the_run() -> None:
    for given, formula in ((1.0, "2*x"), (1.0, "2*x"), (1.0, "2*x"), (3.0, "6*x"), (1.0, "2*x")):
        report = gradcli.check("x*x", {"x": 2.0}, grad_output=given, witnesses=("symbolic",))
        assert report["x"].symbolic.formula == formula


def test_formulas_are_those_of_the_entries_that_are_read() -> None:
    leaves = {"x": doubles(3), "w": doubles(3, seed=1)}
    again = after("sum(x[i] * w)", times=3, i=torch.arange(3), **leaves)
    planned = again(i=torch.tensor([2, 0, 1]), **leaves)["x"].symbolic.formula
    PLANS.known.clear()
    assert planned == again(i=torch.tensor([2, 0, 1]), **leaves)["x"].symbolic.formula != "w"


def test_only_so_many_plans_are_kept() -> None:
    for number in range(MOST + 3):
        gradcli.evaluate(f"x*{number + 2}", {"x": 1.0})
    assert len(PLANS.known) == MOST


def test_only_so_many_ops_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MOST_OPS", 40)
    for number in range(12):
        after(f"exp(x)*x + {number}", x=1.0)
    assert 4 < len(PLANS.known) < 12
    after("\n".join(["x = sin(x)"] * 60), times=3, x=1.0)
    check("cos(x)", x=1.0)
    assert len(PLANS.known) == 1


def test_plans_hold_no_tensors() -> None:
    after(ATTENTION, times=4, Q=doubles(4, 8), K=doubles(4, 8), V=doubles(4, 8))
    after("sum(cat([x, x.flip(0)])[1:] * sort(x).values[0])", times=4, x=doubles(3))
    waiting, seen = [PLANS.known], set[int]()
    while waiting:
        one = waiting.pop()
        assert not isinstance(one, Tensor), one
        if id(one) not in seen and not isinstance(one, type) and type(one).__module__ != "torch":
            seen.add(id(one))
            waiting += [part for part in gc.get_referents(one) if not callable(part)]


def test_threads_have_the_gradients_at_their_own_values() -> None:
    def gradient(value: float) -> tuple[float, float, str]:
        report = check("sum(exp(x)*x)", x=[value, 0.5])
        return float(report["x"].gradient[0]), float(report["x"].symbolic.value[0]), str(report.verdict)

    values = [0.1 * count for count in range(24)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(gradient, values))
    for value, (gradient_, symbolic, verdict) in zip(values, found, strict=True):
        wanted = float(torch.tensor(value, dtype=torch.float64).exp()) * (value + 1)
        assert (gradient_, symbolic) == (pytest.approx(wanted), pytest.approx(wanted))
        assert verdict == "match"


def test_a_run_that_is_not_as_planned_is_walked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    again = after("sum(x*x)", times=3, x=[1.0, 2.0])
    monkeypatch.setattr(plan, "kind_of", lambda tensor: (tensor.shape, object()))
    assert again(x=[3.0, 4.0])["x"].gradient.tolist() == [6.0, 8.0]


def test_a_plan_is_given_up_where_a_result_has_another_shape() -> None:
    after("exp(masked_select(x, gt(x, 0)))", x=[1.0, -2.0, 3.0])
    ((_, known),) = PLANS.known.values()
    x = [
        torch.tensor(values, dtype=torch.float64, requires_grad=True) for values in ([2.0, 1.0, -1.0], [1.0, 2.0, 3.0])
    ]
    assert known is not None
    assert known.again({"x": x[0]}, Limits()) is not None
    assert known.again({"x": x[1]}, Limits()) is None


def test_a_program_that_computes_a_number_has_no_plan() -> None:
    after("x.sum() / x.numel()", x=[1.0, -2.0, 3.0])
    ((_, known),) = PLANS.known.values()
    assert known is None


def test_formulas_are_kept_although_one_is_the_last_step_of_the_chain_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    program, leaves = "sum(exp(x)*y)", {"x": doubles(3), "y": doubles(3, seed=1)}
    check(program, **leaves)
    answers = shared_derivations().answers.written
    request = next(reversed(answers))
    monkeypatch.setitem(answers, request, {name: one for name, one in answers[request].items() if name != "x"})
    PLANS.known.clear()
    again = after(program, times=3, **leaves)
    monkeypatch.setattr(formulas, "chain_rule", None)
    report = again(**leaves)
    assert report["x"].symbolic.formula == "vjp(exp(x), grad(exp(x)))"
    assert report["y"].symbolic.formula == "exp(x)"


@pytest.mark.parametrize(
    "other",
    [
        torch.ones(2, 4),
        torch.ones(3, 3),
        torch.ones(3, 2).T,
        torch.ones(2, 3, dtype=torch.float64),
        torch.ones(2, 3).requires_grad_(),
    ],
)
def test_a_tensor_of_a_different_kind_is_told_apart(other: Tensor) -> None:
    assert kind_of(other) != kind_of(torch.zeros(2, 3)) == kind_of(torch.ones(2, 3))


def test_a_planned_call_is_checked_where_entries_say_how_much_it_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    program, checked = "repeat_interleave(x, n).exp()", list[Any]()
    again = after(program, times=3, x=doubles(2), n=torch.tensor([1, 2]))
    monkeypatch.setattr(plan.Memory, "check", lambda _, call, **__: checked.append(call.func))
    again(x=doubles(2), n=torch.tensor([2, 1]))
    assert len(checked) == 1


@pytest.mark.parametrize("changes", [{"constants": {"x": "it is read as integers"}}, {"hidden": frozenset([None])}])
def test_a_run_with_values_that_decided_something_has_no_plan(changes: dict[str, Any]) -> None:
    program, trace = traced("exp(x)")
    assert Plan.of(trace, program) is not None
    assert Plan.of(dataclasses.replace(trace, **changes), program) is None


@pytest.mark.parametrize(
    "changes", [{"gap": "it has no definition"}, {"draws": True}, {"autocast": Autocast("cpu", torch.bfloat16)}]
)
def test_a_call_that_says_more_than_its_op_has_no_plan(changes: dict[str, Any]) -> None:
    program, trace = traced("exp(x)")
    calls = [dataclasses.replace(call, **changes) for call in trace.calls]
    assert Plan.of(dataclasses.replace(trace, calls=calls), program) is None


def traced(text: str) -> tuple[Program, Trace]:
    program = parse_program(text, Limits())
    return program, run_program(program, Settings(), {"x": doubles(3)})
