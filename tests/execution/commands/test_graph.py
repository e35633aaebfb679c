"""The graph as `graph` shows it: autograd's edges are those of a walk along PyTorch's own grad_fn."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jsonschema
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gradcli.engine import evaluate_code, evaluate_program
from gradcli.report.graph import BackwardNode, ForwardNode, Graph, GraphDetails
from gradcli.report.report import Report
from gradcli.report.schema import report_schema
from gradcli.settings import Settings

X = [[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]]
B = [0.5, -2.0, 1.5]


def products(matrix: Tensor) -> Tensor:
    p, q = matrix.chunk(2)
    return (p * q * q).sum()


def sorted_twice(b: Tensor) -> Tensor:
    s, i = torch.sort(b)
    return (s * b[i]).sum()


# A program, its leaves, and the same in PyTorch.
PROGRAMS: dict[str, tuple[str, Callable[..., Tensor]]] = {
    "x=a+c; y=c*d; x+y": ("acd", lambda a, c, d: (a + c) + c * d),
    "a*a*c": ("ac", lambda a, c: a * a * c),
    "(X * b).sum()": ("Xb", lambda matrix, b: (matrix * b).sum()),
    "linear(b, X).exp().mean()": ("bX", lambda b, matrix: nn.functional.linear(b, matrix).exp().mean()),
    "p, q = chunk(X, 2); (p * q * q).sum()": ("X", products),
    "stack((b, b + 1)).var()": ("b", lambda b: torch.stack((b, b + 1)).var()),
    "s, i = sort(b); (s * b[i]).sum()": ("b", sorted_twice),
    "where(b > 0, b, exp(b)).prod()": ("b", lambda b: torch.where(b > 0, b, torch.exp(b)).prod()),
}
VALUES: dict[str, Any] = {"a": 2.0, "c": 3.0, "d": 5.0, "b": B, "X": X}


def graph_of(report: Report) -> Graph:
    assert isinstance(report.details, GraphDetails)
    return report.details.graph


def of_program(program: str, **settings: Any) -> Report:
    return evaluate_program(program, Settings(command="graph", **settings))


def of_code(function: Any, **given: Any) -> Report:
    return evaluate_code(function, Settings(command="graph"), given)


def walked(output: Tensor, leaves: Mapping[str, Tensor]) -> tuple[Any, int, int]:
    """Return autograd's graph as nested names, and how many nodes and edges it has."""
    names = {id(tensor): name for name, tensor in leaves.items()}
    edges: dict[Any, int] = {}

    @cache
    def shape(node: Any) -> Any:
        following = [(None if one is None else shape(one), place) for one, place in node.next_functions]
        edges[node] = sum(one is not None for one, _ in following)
        leaf = names[id(node.variable)] if hasattr(node, "variable") else None
        return type(node).__name__, leaf, tuple(pair for pair in following)

    found = shape(output.grad_fn)
    return found, len(edges), sum(edges.values())


def shown(graph: Graph) -> tuple[Any, int, int]:
    nodes = {node.id: node for node in graph.backward}

    @cache
    def shape(number: int) -> Any:
        node = nodes[number]
        following = tuple((None, 0) if edge is None else (shape(edge.node), edge.input) for edge in node.next)
        return node.grad_fn, node.tensor if node.grad_fn == "AccumulateGrad" else None, following

    count = sum(edge is not None for node in graph.backward for edge in node.next)
    return shape(0), len(nodes), count


def leaves_and_output(program: str) -> tuple[dict[str, Tensor], Tensor]:
    names, function = PROGRAMS[program]
    leaves = {name: torch.tensor(VALUES[name], dtype=torch.float64, requires_grad=True) for name in names}
    return leaves, function(*leaves.values())


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_backward_graph_is_what_grad_fn_leads_to(program: str) -> None:
    leaves, output = leaves_and_output(program)
    report = of_program(program, values={name: VALUES[name] for name in leaves})
    assert shown(graph_of(report)) == walked(output, leaves)
    jsonschema.validate(json.loads(json.dumps(report.to_dict(), allow_nan=False)), report_schema())


def test_the_nodes_stand_in_an_order_in_which_backward_may_run_them() -> None:
    graph = graph_of(of_program("x=a+c; y=c*d; (x+y)*x"))
    assert [node.id for node in graph.backward] == [*range(len(graph.backward))]
    assert all(edge.node > node.id for node in graph.backward for edge in node.next if edge is not None)
    assert [node.tensor for node in graph.backward if node.grad_fn == "AccumulateGrad"] == ["a", "c", "d"]


def test_the_forward_graph_has_every_tensor_with_what_it_is_made_from() -> None:
    graph = graph_of(of_program("x=w1+w2; y=w2*w3; mean(x*y*c)", shapes={None: (2,)}, constants=("c",)))
    assert [(node.name, node.op, node.operands) for node in graph.forward] == [
        ("w1", None, ()),
        ("w2", None, ()),
        ("w3", None, ()),
        ("c", None, ()),
        ("x", "add", ("w1", "w2")),
        ("y", "mul", ("w2", "w3")),
        ("x*y", "mul", ("x", "y")),
        ("x*y*c", "mul", ("x*y", "c")),
        ("mean(x*y*c)", "mean", ("x*y*c",)),
    ]
    nodes = {node.id: node for node in graph.backward}
    by_name = {node.name: node for node in graph.forward}
    assert by_name["c"].node is None
    assert not by_name["c"].requires_grad
    assert nodes[by_name["y"].node or 0].grad_fn == "MulBackward0"
    assert nodes[by_name["w3"].node or 0].grad_fn == "AccumulateGrad"
    assert {node.dtype for node in graph.forward} == {"float64"}


def test_what_is_named_but_not_used_is_drawn_with_what_it_is_made_from() -> None:
    graph = graph_of(of_program("y = sin(a*b) + 1; a*c"))
    assert "a*b" in {node.name for node in graph.forward}
    names = {node.name for node in graph.forward}
    assert all(operand in names for node in graph.forward for operand in node.operands)
    assert next(node.node for node in graph.forward if node.name == "y") is None


def test_a_detached_tensor_has_no_node_and_its_value() -> None:
    report = of_program("h = a*c; h.detach() * a", values={"a": 2, "c": 3})
    detached = next(node for node in graph_of(report).forward if node.op == "detach")
    assert (detached.node, detached.operands) == (None, ("h",))
    assert float(detached.value) == 6.0
    assert next(node.value for node in graph_of(report).forward if node.name == "h") is None  # it is in `tensors`


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_nodes_save_is_what_pytorch_hands_out(program: str) -> None:
    leaves, output = leaves_and_output(program)
    waiting: list[Any] = [output.grad_fn]
    expected: dict[Any, list[Any]] = {}
    while waiting:
        node = waiting.pop()
        if node is not None and node not in expected:
            handed = {name: getattr(node, name) for name in dir(node) if name.startswith("_saved_")}
            expected[node] = sorted(
                (name.removeprefix("_saved_"), tuple(tensor.shape))
                for name, value in handed.items()
                for tensor in (value if isinstance(value, tuple) else (value,))
                if isinstance(tensor, Tensor)
            )
            waiting += [following for following, _ in node.next_functions]
    graph = graph_of(of_program(program, values={name: VALUES[name] for name in leaves}))
    found = [sorted((saved.name.partition("[")[0], saved.shape) for saved in node.saves) for node in graph.backward]
    assert sorted(found) == sorted(expected.values())


def saves(graph: Graph, grad_fn: str) -> list[tuple[str, str | None, int | None]]:
    node = next(node for node in graph.backward if node.grad_fn == grad_fn)
    return [(saved.name, saved.tensor, saved.version) for saved in node.saves]


def test_saved_tensors_have_the_names_of_the_program() -> None:
    graph = graph_of(of_program("y = a*c; z = exp(y); z*k", constants=("k",)))
    assert saves(graph, "ExpBackward0") == [("result", "z", 0)]
    nodes = [node for node in graph.backward if node.grad_fn == "MulBackward0"]
    assert [[(saved.name, saved.tensor) for saved in node.saves] for node in nodes] == [
        [("other", "k")],
        [("other", "c"), ("self", "a")],
    ]


def written_to(x: Tensor, w: Tensor) -> Tensor:
    h = x * 2
    h.add_(1)
    h.mul_(3)
    return (h * w).sum()


def test_a_saved_tensor_has_the_version_that_it_was_saved_at() -> None:
    x, w = torch.tensor(B, dtype=torch.float64), torch.tensor(B, dtype=torch.float64)
    report = of_code(written_to, x=x, w=w)
    assert report.verdict == "match"
    graph = graph_of(report)
    node = next(node for node in graph.backward if {saved.tensor for saved in node.saves} >= {"w"})
    assert {saved.name: saved.version for saved in node.saves} == {"self": 2, "other": 0}
    assert [saved.tensor for saved in node.saves] == ["w", "h (3)"]


class Square(torch.autograd.Function):
    """A Function of a user's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        doubled = x + x
        return doubled * x / 2

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        result: Tensor = gradient * 2 * x
        return result


def squared(x: Tensor, w: Tensor) -> Tensor:
    y: Tensor = Square.apply(x * w)
    return y.sum()


def test_a_function_is_one_operation_and_one_node() -> None:
    x, w = torch.tensor(B, dtype=torch.float64), torch.tensor(B, dtype=torch.float64)
    graph = graph_of(of_code(squared, x=x, w=w))
    assert saves(graph, "SquareBackward") == [("saved_tensors[0]", "x * w", 0)]
    made = next(node for node in graph.forward if node.op == "Square")
    assert made.operands == ("x * w",)
    assert [node.op for node in graph.forward] == [None, None, "mul", "Square", "sum"]
    leaves = {"x": x.clone().requires_grad_(), "w": w.clone().requires_grad_()}
    assert shown(graph) == walked(squared(**leaves), leaves)


def calls_again(x: Tensor) -> Tensor:
    y: Any = checkpoint(_inner, x, use_reentrant=False)
    result: Tensor = y.sum()
    return result


def _inner(x: Tensor) -> Tensor:
    RUNS.append(1)
    return (x * x).sin()


RUNS: list[int] = []


def test_what_a_hook_has_packed_is_not_unpacked_for_the_picture() -> None:
    RUNS.clear()
    plain = evaluate_code(calls_again, Settings(command="eval"), {"x": torch.tensor(B, dtype=torch.float64)})
    once = len(RUNS)
    RUNS.clear()
    report = of_code(calls_again, x=torch.tensor(B, dtype=torch.float64))
    assert len(RUNS) == once  # no further forward pass
    assert report.verdict == plain.verdict
    packed = [saved for node in graph_of(report).backward for saved in node.saves]
    assert packed
    assert {(saved.tensor, saved.shape, saved.version) for saved in packed} == {(None, None, None)}


class Net(nn.Module):
    """A model of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(3, 4, dtype=torch.float64), nn.Linear(4, 1, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.down(torch.relu(self.up(x)))
        return result.sum()


def test_tensors_of_a_model_name_their_module_and_line() -> None:
    net = Net()
    x = torch.tensor(X, dtype=torch.float64)
    graph = graph_of(of_code(net, x=x))
    by_name = {node.name: node for node in graph.forward}
    assert by_name["up.weight"].module == "up"
    assert {node.module for node in graph.forward if node.op == "linear"} == {"up", "down"}
    relu = next(node for node in graph.forward if node.op == "relu")
    assert relu.module is None
    assert "test_graph.py:" in (relu.source or "")
    leaves = {"x": x.clone().requires_grad_(), **dict(net.named_parameters())}
    assert shown(graph) == walked(net(leaves["x"]), leaves)


def looked_up(ids: Tensor, table: Tensor) -> Tensor:
    return nn.functional.embedding(ids, table).sum()


def test_a_constant_that_code_reads_is_its_operand() -> None:
    graph = graph_of(of_code(looked_up, ids=torch.tensor([1, 0, 1]), table=torch.tensor(X, dtype=torch.float64)))
    looked = next(node for node in graph.forward if node.op == "embedding")
    assert looked.operands == ("ids", "table")
    assert saves(graph, "EmbeddingBackward0") == [("indices", "ids", 0)]


@pytest.mark.parametrize("verify", [True, False])
def test_verdicts_are_those_of_eval(verify: bool) -> None:
    program, given = "relu(x)*y + abs(x)", {"values": {"x": 0, "y": 2}, "verify": verify}
    found = of_program(program, **given)
    expected = evaluate_program(program, Settings(command="eval", **given))
    assert [(tensor.name, tensor.verdict) for tensor in found] == [(tensor.name, tensor.verdict) for tensor in expected]
    assert found.verdict == expected.verdict == ("subgradient" if verify else "unverified")
    assert found.exit_code == 0


def test_records_are_plain_data() -> None:
    graph = graph_of(of_program("a*c"))
    assert all(isinstance(node, ForwardNode) for node in graph.forward)
    assert all(isinstance(node, BackwardNode) for node in graph.backward)
