"""What the definitions of a planned run come to is what they come to where each is read again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from gradcli.errors import LimitError, Span
from gradcli.execution.forward import tree
from gradcli.execution.forward.dtypes import default_dtype
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.memory import in_force
from gradcli.execution.forward.plan import PLANS, DiffersError
from gradcli.execution.forward.run import run_program
from gradcli.execution.forward.trace import Trace
from gradcli.execution.reference import planned, planned_step
from gradcli.execution.reference.decomposition import Decomposition, decompose
from gradcli.execution.reference.nodes import NODES, Node
from gradcli.execution.reference.planned import PlannedDecomposition, decomposed
from gradcli.execution.reference.planned_step import PlannedStep
from gradcli.execution.reference.tape import Tape
from gradcli.language.program import Call
from gradcli.limits import Limits
from gradcli.ops.programs import parse_program
from gradcli.ops.table import find
from gradcli.settings import Settings

# Programs over x of 3 x 4 and a vector w of 4, each with what it is there for.
PROGRAMS = {
    "softmax(x @ x.T / 2, dim=-1) @ x * w": "products, views, a composite with a detached maximum",
    "F.layer_norm(x, (4,), w)": "a definition that asks for lengths",
    "relu(x - w) + leaky_relu(x) + hardtanh(x*w)": "kinks",
    "max(x, dim=1).values + amin(x, 1) + sort(x, dim=1).values[:, 0]": "entries that values pick",
    "cat([x, 2*x.flip(0)])[1:4].T.reshape(-1)": "moves",
    "F.cross_entropy(x, argmax(w*x, 1), label_smoothing=0.1)": "labels",
    "where(x > w, x.exp(), -x).cumsum(0)": "masks",
    "logsumexp(x*w, 1) + norm(x, dim=1) + std(x, dim=1)": "reductions",
    "torch.linalg.solve(x[:, :3] @ x[:, :3].T + 4*torch.eye(3), x)": "an equation",
    "prod(x, dim=1) + det(x[:, :3])": "a definition that the rank decides",
    "F.conv1d(x[None], x[:, None, :2].expand(3, 3, 2)).sum(0)": "a convolution",
    "x.floor() * x.sign() + atan2(x, w) + x % w": "steps",
    "torch.fft.fft(x*w).abs()": "complex numbers, of which there is no plan",
}

CALL = Call("masked_select", (), (), Span(0, 1), Span(0, 1))


@pytest.fixture(autouse=True)
def _no_plans() -> Iterator[None]:
    PLANS.known.clear()
    yield
    PLANS.known.clear()


def points() -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(3)
    x, w = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((3, 4), (4,)))
    holed = x.clone()
    holed[1, 2] = torch.nan
    found = [(x, w), (-2 * x, w), (torch.zeros_like(x), torch.zeros_like(w)), (x.round(), w.round()), (holed, w)]
    found += [(x * 1e200, w), (w.repeat(3, 1), w)]
    return [{"x": x, "w": w} for x, w in found]


def trace_of(program: str, point: Mapping[str, Tensor]) -> Trace:
    parsed, settings = parse_program(program, Limits()), Settings()
    given = {leaf.name: point[leaf.name] for leaf in parsed.leaves}
    with default_dtype(settings):
        return run_program(parsed, settings, given)


def inner(*_: Any) -> Any:
    raise NotImplementedError


def described(decomposition: Decomposition) -> list[Any]:
    """Return everything that a decomposition has, with nodes by their numbers and tensors by their bytes."""
    numbers = {node: number for number, node in enumerate(decomposition.tape.nodes)}

    def plain(value: Any) -> Any:
        if isinstance(value, NODES):
            parts = [value] if isinstance(value, Node) else [value.real, value.imag]
            return "node", [numbers[part] if part in numbers else entries(part.tensor) for part in parts]
        return entries(value) if isinstance(value, Tensor) else repr(value)

    def edge(one: Any) -> Any:
        operands = tree.map(plain, one.operands)
        supports = {name: entries(support()) for name, support in one.supports.items()}
        return numbers[one.source], one.request, one.name, one.layout, operands, supports

    def described_node(node: Node) -> Any:
        origin = None if node.origin is None else (node.origin[0].name, tree.map(plain, dict(node.origin[1])))
        masks = [None if mask is None else entries(mask()) for mask in (node.kinks, node.support)]
        return entries(node.tensor), node.differentiable, list(map(edge, node.edges)), origin, masks

    calls = [
        (
            group.call.op.name,
            group.error,
            *([numbers[one] for one in of] for of in (group.nodes, group.operands, group.own)),
        )
        for group in decomposition.calls
    ]
    outputs = [plain(node) for node in decomposition.nodes.values()]
    return [*map(described_node, decomposition.tape.nodes), calls, outputs, len(decomposition.shared)]


def entries(tensor: Tensor) -> Any:
    return tensor.dtype, tensor.shape, tensor.stride(), repr(tensor.detach().tolist())


@pytest.mark.parametrize("program", PROGRAMS, ids=PROGRAMS.values())
@pytest.mark.parametrize("first", [0, 2])
def test_a_planned_decomposition_is_the_one_that_reading_every_definition_gives(program: str, first: int) -> None:
    for point in [points()[first], points()[first], *points()]:
        trace = trace_of(program, point)
        found, whole = decomposed(trace, inner), decompose(trace, inner=inner)
        assert found.requests() == whole.requests()
        assert described(found) == described(whole)


@pytest.mark.parametrize("program", ["F.layer_norm(relu(x), (4,), w).T", "x * argsort(w)"])
def test_definitions_are_read_no_more_than_once(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        decomposed(trace_of(program, points()[0]), inner)
    monkeypatch.setattr(planned, "decompose", None)
    assert decomposed(trace_of(program, points()[1]), inner).calls


def test_nodes_are_made_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        decomposed(trace_of("softmax(x, 1) * w", points()[0]), inner)
    tapes: list[Tape] = []

    def tape() -> Tape:
        tapes.append(Tape())
        return tapes[-1]

    monkeypatch.setattr(planned, "Tape", tape)
    found = decomposed(trace_of("softmax(x, 1) * w", points()[1]), inner)
    assert found.requests()
    assert not tapes
    assert found.calls
    assert [found.tape] == tapes


def test_edges_that_entries_may_tell_are_looked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "cat([x, 2*x])[1:] * w"
    for _ in range(2):
        decomposed(trace_of(program, points()[0]), inner)

    def refused(*_: Any) -> Any:
        raise LimitError("it is too large")

    monkeypatch.setattr(PlannedStep, "enter", refused)
    trace = trace_of(program, points()[1])
    assert described(decomposed(trace, inner)) == described(decompose(trace, inner=inner))


def test_a_definition_that_entries_decide_has_no_plan() -> None:
    for _ in range(3):
        decomposed(trace_of("det(x[:, :3])", points()[0]), inner)
    ((_, known),) = PLANS.known.values()
    assert known is not None
    assert [*known.further.values()] == [()]


def test_a_definition_that_comes_to_other_ops_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "softmax(x, 1) * w"
    for _ in range(3):
        decomposed(trace_of(program, points()[0]), inner)
    monkeypatch.setattr(planned_step, "_made", lambda tensor: (tensor.shape, object()))
    trace = trace_of(program, points()[1])
    assert described(decomposed(trace, inner)) == described(decompose(trace, inner=inner))


def test_a_step_that_makes_more_entries_than_planned_is_refused() -> None:
    op, values = find("masked_select"), torch.arange(3, dtype=torch.float64)
    assert op is not None
    tapes = [Tape(), Tape()]
    for tape, mask in zip(tapes, ([True, True, False], [True, False, False]), strict=True):
        tape.enter(values, differentiable=True)
        tape.enter(torch.tensor(mask), differentiable=False)
    first, second = tapes
    x, where = first.nodes
    first.apply(op, BoundCall(CALL, [x, where], {}, {"input": x, "mask": where}))
    step = PlannedStep.of(first.steps[-1], {node: place for place, node in enumerate(first.nodes)})
    with pytest.raises(DiffersError):
        step.again([node.tensor for node in second.nodes], None)


def test_a_step_that_copies_what_was_planned_as_a_view_is_refused() -> None:
    op, tapes = find("t"), [Tape(), Tape()]
    assert op is not None
    first, _ = tapes
    x, other = (tape.enter(torch.ones(2, 3, dtype=torch.float64), differentiable=True) for tape in tapes)
    first.apply(op, BoundCall(CALL, [x], {}, {"input": x}), x.tensor.T)
    step = PlannedStep.of(first.steps[-1], {node: place for place, node in enumerate(first.nodes)})
    with pytest.raises(DiffersError):
        step.again([other.tensor], other.tensor.clone().T)


@pytest.mark.parametrize(("program", "is_kept"), [("softmax(x, 1)[1:]", True), ("x[argmax(w)]", False)])
def test_nothing_is_kept_of_runs_whose_entries_say_which_others_are_read(program: str, is_kept: bool) -> None:
    for _ in range(3):
        found = decomposed(trace_of(program, points()[0]), inner)
    ((_, known),) = PLANS.known.values()
    assert isinstance(next(iter(known.further.values())), PlannedDecomposition)
    assert (found.kept is not None) == is_kept


def test_a_primitive_step_on_operands_of_another_shape_is_refused() -> None:
    op, tapes = find("exp"), [Tape(), Tape()]
    assert op is not None
    first, _ = tapes
    x, other = (
        tape.enter(torch.ones(n, dtype=torch.float64), differentiable=True)
        for tape, n in zip(tapes, (3, 2), strict=True)
    )
    first.apply(op, BoundCall(CALL, [x], {}, {"input": x}))
    step = PlannedStep.of(first.steps[-1], {node: place for place, node in enumerate(first.nodes)})
    with pytest.raises(DiffersError):
        step.again([other.tensor], None)


def test_what_entries_have_decided_is_not_planned() -> None:
    found = decompose(trace_of("exp(x)", points()[0]), inner=inner)
    assert PlannedDecomposition.of(found) is not None
    found.tape.decides(found.tape.nodes[0].tensor)
    assert PlannedDecomposition.of(found) is None


def test_a_call_without_a_definition_is_not_planned() -> None:
    found = decompose(trace_of("exp(x)", points()[0]), inner=inner)
    found.calls[0] = dataclasses.replace(found.calls[0], error="it has no definition")
    assert PlannedDecomposition.of(found) is None


def test_a_definition_whose_signs_entries_choose_is_not_planned() -> None:
    trace = trace_of("torch.linalg.eigh(x @ x.T).eigenvectors", points()[0])
    assert PlannedDecomposition.of(decompose(trace, inner=inner)) is None


def test_a_run_that_cannot_go_by_the_plan_is_decomposed_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        decomposed(trace_of("exp(x)", points()[0]), inner)

    def refused(*_: Any) -> Any:
        raise LimitError("it is too large")

    monkeypatch.setattr(PlannedStep, "again", refused)
    trace = trace_of("exp(x)", points()[1])
    assert described(decomposed(trace, inner)) == described(decompose(trace, inner=inner))


def test_a_step_whose_entries_say_how_much_it_makes_is_checked_first() -> None:
    op, tapes = find("one_hot"), [Tape(), Tape()]
    assert op is not None
    first, _ = tapes
    few, many = (
        tape.enter(torch.tensor([0, largest]), differentiable=False)
        for tape, largest in zip(tapes, (2, 10_000), strict=True)
    )
    first.apply(op, BoundCall(CALL, [few], {}, {"input": few}))
    step = PlannedStep.of(first.steps[-1], {node: place for place, node in enumerate(first.nodes)})
    with in_force(Limits(elements=1000)), pytest.raises(LimitError):
        step.again([many.tensor], None)
