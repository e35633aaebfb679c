"""Reports of graphs to draw: made up, with names that no program could have."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
import torch

from gradcli.report.comparison import Comparison, Symbolic
from gradcli.report.graph import BackwardNode, Edge, ForwardNode, Graph, GraphDetails, Saved
from gradcli.report.report import Output, Report, TensorReport
from gradcli.report.verdict import Verdict

ONE = torch.tensor(1.0, dtype=torch.float64)
# A name, the names that it is made from, and its module.
Row = tuple[str, tuple[str, ...]] | tuple[str, tuple[str, ...], str]
MakeGraph = Callable[..., Report]


def made_up(rows: Sequence[Row], verdicts: dict[str, Verdict] | None = None, program: str = "a program") -> Report:
    """Return the report of a graph: rows without operands are leaves; autograd's graph is its mirror image."""
    ids = {row[0]: number for number, row in enumerate(reversed(rows))}
    forward = tuple(_forward(row, ids[row[0]]) for row in rows)
    backward = tuple(_backward(row, ids) for row in reversed(rows))
    tensors = tuple(_tensor(node, (verdicts or {}).get(node.name, Verdict.MATCH)) for node in forward)
    output = Output(rows[-1][0], (), ONE)
    details = GraphDetails(Graph(forward, backward))
    verdict = max((tensor.verdict or Verdict.MATCH for tensor in tensors), key=lambda one: one.rank)
    return Report("0.1.0", "2.13.0", "graph", program, "float64", "cpu", 0, output, tensors, verdict, details)


def _forward(row: Row, node: int) -> ForwardNode:
    name, operands, *module = row
    op = "op" if operands else None
    kind = "non-leaf" if operands else "leaf"
    module_name = module[0] if module else None
    return ForwardNode(name, kind, op, name, operands, (), "float64", requires_grad=True, node=node, module=module_name)


def _backward(row: Row, ids: dict[str, int]) -> BackwardNode:
    name, operands = row[0], row[1]
    following = tuple(Edge(ids[operand], 0) for operand in operands)
    saves = tuple(Saved("self", operand, (), 0) for operand in operands[:1])
    return BackwardNode(ids[name], "OpBackward0" if operands else "AccumulateGrad", name, following, saves)


def _tensor(node: ForwardNode, verdict: Verdict) -> TensorReport:
    grad_fn = "OpBackward0" if node.operands else None
    symbolic = Symbolic("1", None, ONE, Comparison(verdict, 0.0, 0.0))
    return TensorReport(node.name, node.kind, (), True, grad_fn, ONE, None, ONE, symbolic, verdict, module=node.module)


def random_rows(count: int, seed: int, *, leaves: int = 4) -> list[Row]:
    """Return a random graph with one output that every tensor leads to."""
    draw = random.Random(seed)  # noqa: S311 (nothing is secret)
    rows: list[Row] = [(f"w{number}", ()) for number in range(leaves)]
    loose = {row[0] for row in rows}
    while len(rows) < count - 1:
        names = [row[0] for row in rows]
        operands = tuple(dict.fromkeys(draw.choices(names[-9:] if draw.random() < 0.8 else names, k=2)))
        loose = (loose - {*operands}) | {f"t{len(rows)}"}
        rows.append((f"t{len(rows)}", operands))
    return [*rows, ("out", tuple(sorted(loose)))]


@pytest.fixture(scope="session")
def make_graph() -> MakeGraph:
    return made_up


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., list[Row]]:
    return random_rows


HOSTILE = (
    "<script>alert(1)</script>",
    "</title></style></svg><img src=x onerror=alert(1)>",
    '"]; evil --> x["',
    '" ]; subgraph evil { a -> b }; x [label="',
    '\\" \\\\ \\n \\N',
    "a\u202eb\u2066c\u200b",
    "]]> --> <!-- %%{init: {}}%% `md` #quot; &lt;",
    "line\none\ttwo\x1b[31m\x00",
    "::set-env name=x::y ##[group]",
    "&lt;&amp;&#33;<b>",
    "naïve ☃ 名前 \U0001f600",
)


@pytest.fixture(params=HOSTILE, ids=range(len(HOSTILE)))
def hostile(request: pytest.FixtureRequest) -> tuple[str, Report]:
    """A hostile name, and a graph in which everything is called so that can be."""
    name: str = request.param
    rows: list[Row] = [(name, (), name), (f"{name} 2", (name,), name), (f"{name} 3", (f"{name} 2", name))]
    return name, made_up(rows, program=name)
