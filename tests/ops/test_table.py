"""Tests made from the op table: a new op needs no new test."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gradcli.engine import evaluate_program, shared_derivations
from gradcli.execution.forward.callables import function
from gradcli.execution.forward.domains import leaves_for, parse_example
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.run import run_program
from gradcli.execution.forward.trace import Trace
from gradcli.execution.reference.decomposition import Decomposition, decompose
from gradcli.execution.reference.nodes import Edge, Node
from gradcli.execution.reference.tensor_eval import evaluate
from gradcli.inputs.programs import read
from gradcli.language.parser import parse
from gradcli.language.tokens import tokenize
from gradcli.ops.record import Kind, Op
from gradcli.ops.signature import parse_signature
from gradcli.ops.table import OPS, find
from gradcli.report.report import Report
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings
from gradcli.symbolic.derive.derive import entry_of, label_sizes, operand_labels
from gradcli.symbolic.derive.lowering import lower

# PyTorch warns of what is deprecated in it.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# The symbolic worker is that of the whole runs.
DERIVATIONS = shared_derivations().for_check(seconds=60.0)
EXAMPLES = [(op, example) for op in OPS for example in op.examples]
POINTWISE = [(op, example) for op, example in EXAMPLES if op.kind is Kind.POINTWISE]
EVERYWHERE = [(op, example) for op, example in POINTWISE if not op.domain]
# What a user may call and differentiate; a name that begins with `_` is a helper of definitions.
DIFFERENTIABLE = [op for op in OPS if op.kind is not Kind.CONSTANT and not op.name.startswith("_")]

# PyTorch's own derivative is inexact here, and a mismatch is the right verdict.
INACCURATE = {
    "hardsigmoid": "its backward multiplies by 1/6 rounded to float32, which is off by 3e-8",
}

# PyTorch's own derivative is wrong here, and a mismatch is the right verdict: docs/findings.md.
WRONG = frozenset({"ctc_loss", "cholesky_solve", "cholesky_inverse"})

# The shapes of an example's leaves, in their order: ranks, broadcasting on either side, one entry, no entry.
VARIANTS: dict[str, tuple[tuple[int, ...], ...]] = {
    "scalars": ((), (), ()),
    "scalar and matrix": ((), (2, 3), (3,)),
    "one entry": ((1,), (1, 1), ()),
    "no entry": ((0,), (0,), (0,)),
    "no entry, broadcast": ((2, 0, 3), (1, 3), ()),
    "sizes of 1 on both sides": ((3, 1, 2), (1, 4, 1), (4, 2)),
    "rank 4": ((2, 1, 3, 1), (2, 1, 2), (3, 2)),
    "matrices": ((2, 3), (2, 3), (2, 3)),
}


def identified(pair: tuple[Op, str]) -> str:
    return f"{pair[0].name}: {pair[1]}"


def point(program: str, shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    settings = Settings(shapes=dict(shapes))
    return leaves_for(read(program, settings), shapes, find, seed)


def trace_of(program: str, leaves: dict[str, Tensor]) -> Trace:
    settings = Settings()
    with double_precision():
        return run_program(read(program, settings), settings, leaves)


def report_of(program: str, leaves: dict[str, Tensor]) -> Report:
    """Return the report for a random vector: a vector of ones would hide what only it cancels."""
    output = trace_of(program, leaves).output.tensor
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    settings = Settings(grad_output=weights, formulas=False)  # type: ignore[arg-type]
    return evaluate_program(program, settings, leaves)


def expansion_of(example: str) -> Decomposition:
    program, shapes = parse_example(example)
    decomposition = decompose(trace_of(program, point(program, shapes)))
    DERIVATIONS.request(decomposition.requests())
    return decomposition


def close(found: Tensor, wanted: Tensor, relative: float = 1e-12) -> bool:
    if found.shape != wanted.shape or not (found.is_floating_point() or found.is_complex()):
        return torch.equal(found, wanted)
    error = (found - wanted).abs()
    near = error <= relative * wanted.abs().clamp_min(1.0)
    return bool((near | (found == wanted)).all())  # infinities, too, may be equal


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_record_has_its_parts(op: Op) -> None:
    parameters = [parameter.name for parameter in parse_signature(op.signature)]
    assert callable(function(op.torch))
    assert set(op.domain) <= set(parameters)
    assert op.family
    assert op.definition
    if op.kinks is not None:
        parse(op.kinks, definition=True)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_record_has_what_its_kind_demands(op: Op) -> None:
    if op.kind in {Kind.POINTWISE, Kind.COMPOSITE, Kind.IMPLICIT, Kind.INDEXED}:
        parse(op.definition, definition=True)
    if op.kind is Kind.IMPLICIT:
        assert op.entry
        assert "out" in op.definition
    if op.kind not in {Kind.INDEXED, Kind.IMPLICIT}:
        assert not op.entry
        assert op.along is None
    if op.along is not None:
        assert op.along in {parameter.name for parameter in parse_signature(op.signature)}


@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=lambda op: op.name)
def test_an_op_with_a_gradient_has_an_example_that_calls_it(op: Op) -> None:
    assert op.examples
    for example in op.examples:
        program, shapes = parse_example(example)
        called = [call.op for call in trace_of(program, point(program, shapes)).calls]
        assert any(own in called for own in (op, *op.overloads)), example


def test_definitions_that_are_programs_stand_as_python_reads_them() -> None:
    records = [record for op in OPS for record in (op, *op.overloads) if record.kind is Kind.COMPOSITE]
    assert [record.name for record in records if tokenize(record.definition)[1] != record.definition] == []


def test_names_mean_one_op() -> None:
    names = Counter(name for op in OPS for name in (op.name, *op.aliases))
    assert [name for name, count in names.items() if count > 1] == []
    for op in OPS:
        assert find(op.name) is op
        assert all(find(alias) is op for alias in op.aliases)


@pytest.mark.parametrize("pair", EXAMPLES, ids=identified)
def test_a_definition_has_the_value_of_the_callable(pair: tuple[Op, str]) -> None:
    decomposition = expansion_of(pair[1])
    for call in decomposition.trace.calls:
        for output in call.outputs:
            assert close(decomposition.nodes[output].tensor, output.tensor.detach()), output.text
    for node in decomposition.tape.nodes:
        assert has_its_value(node), [edge.request for edge in node.edges]


def has_its_value(node: Node) -> bool:
    """Return whether a primitive node's tensor, which PyTorch computed, is what its definition says."""
    with double_precision():
        if not node.edges or node.edges[0].request.unknown is not None:
            return all(close(residual, torch.zeros_like(residual)) for residual in map(residual_of, node.edges))
        if any("sources" in edge.operands for edge in node.edges):
            return moves_its_data(node)
        return all(close(value_of(edge, node), edge.layout.result.apply(node.tensor)) for edge in node.edges)


def value_of(edge: Edge, node: Node, **instead: Tensor) -> Tensor:
    numbers = {name: torch.tensor(value) for name, value in edge.request.numbers if type(value) in {int, float}}
    program = DERIVATIONS.known[edge.request].value
    assert program is not None
    shown = edge.layout.result.apply(node.tensor)
    lengths = tuple((letter, "result", axis) for axis, letter in enumerate(program.out))
    operands = numbers | edge.operands | {"result": shown} | instead
    return evaluate(replace(program, sizes=program.sizes + lengths), operands)


def moves_its_data(node: Node) -> bool:
    """Return whether every entry that comes from a source is that entry; the others are constants."""
    found = sum(value_of(edge, node) for edge in node.edges)
    sources = sum(value_of(edge, node, input=torch.ones_like(edge.operands["input"])) for edge in node.edges)
    assert isinstance(sources, Tensor)
    return bool(((found == node.tensor.reshape(-1)) | (sources == 0)).all() & (sources <= 1).all())


def residual_of(edge: Edge) -> Tensor:
    entry = entry_of(edge.request)
    operands = operand_labels(entry, edge.request)
    return evaluate(lower(entry, operands, label_sizes(entry, operands)), edge.operands)


@pytest.mark.parametrize("pair", EXAMPLES, ids=identified)
def test_an_example_matches_autograd(pair: tuple[Op, str]) -> None:
    op, example = pair
    program, shapes = parse_example(example)
    report = report_of(program, point(program, shapes))
    wanted = Verdict.MISMATCH if op.name in {*INACCURATE, *WRONG} else Verdict.MATCH
    assert report.verdict is wanted, [(tensor.name, tensor.note) for tensor in report.tensors]


@pytest.mark.parametrize("name", INACCURATE)
def test_an_inaccurate_op_is_nearly_right(name: str) -> None:
    op = find(name)
    assert op is not None
    for example in op.examples:
        program, shapes = parse_example(example)
        for tensor in report_of(program, point(program, shapes)).tensors:
            assert close(tensor.gradient, tensor.symbolic.value, 1e-7)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("pair", POINTWISE, ids=identified)
def test_a_pointwise_op_at_other_shapes(pair: tuple[Op, str], variant: str) -> None:
    op, example = pair
    program, shapes = parse_example(example)
    shapes = dict(zip(shapes, VARIANTS[variant], strict=False))
    leaves = point(program, shapes, seed=2)
    assert right(op, report_of(program, leaves), leaves)


@pytest.mark.parametrize("pair", POINTWISE, ids=identified)
def test_a_pointwise_op_on_tensors_that_are_not_contiguous(pair: tuple[Op, str]) -> None:
    op, example = pair
    program, shapes = parse_example(example)
    leaves = {name: leaf.T for name, leaf in point(program, dict.fromkeys(shapes, (4, 3)), seed=3).items()}
    assert not any(leaf.tensor.is_contiguous() for leaf in trace_of(program, leaves).leaves)
    assert right(op, report_of(program, leaves), leaves)


@pytest.mark.parametrize("pair", EVERYWHERE, ids=identified)
def test_a_pointwise_op_far_from_zero(pair: tuple[Op, str]) -> None:
    op, example = pair
    program, shapes = parse_example(example)
    leaves = {name: 4 * leaf for name, leaf in point(program, shapes, seed=4).items()}
    assert right(op, report_of(program, leaves), leaves)


def right(op: Op, report: Report, leaves: dict[str, Tensor]) -> bool:
    """Return whether the verdict is `match`, or as good as PyTorch allows where it is known to be inexact."""
    if op.name in INACCURATE and all(leaf.numel() for leaf in leaves.values()):
        return all(close(tensor.gradient, tensor.symbolic.value, 1e-7) for tensor in report.tensors)
    return report.verdict is Verdict.MATCH


def test_points_keep_away_from_each_other() -> None:
    leaves = point("maximum(x, y)", {"x": (4, 5), "y": (20,)})
    entries = torch.cat([leaf.reshape(-1).abs() for leaf in leaves.values()])
    assert len(entries.unique()) == entries.numel()
