"""Examples of the table with axes of other lengths, one and none among them, and with other strides."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gradcli.engine import evaluate_program
from gradcli.errors import GradcliError
from gradcli.execution.forward.domains import leaves_for, parse_example
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.finite import all_finite
from gradcli.execution.forward.run import run_program
from gradcli.execution.forward.trace import Trace
from gradcli.inputs.programs import read
from gradcli.ops.record import Kind, Op
from gradcli.ops.table import OPS, find
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

# PyTorch warns of what is deprecated in it.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# Pointwise ops are tested at many shapes, as ops without a pattern of axes; PyTorch's gradient of others is wrong.
WRONG = frozenset({"ctc_loss", "cholesky_solve", "cholesky_inverse"})
EXAMPLES = [
    (op, example)
    for op in OPS
    if op.kind not in {Kind.POINTWISE, Kind.CONSTANT} and op.name not in WRONG
    for example in op.examples
]
# The points drawn have a tie, at which PyTorch's gradient is wrong.
TIED = {("torch.cdist(x, y, inf) | x=2x3 y=2x3", "longer")}
# PyTorch itself ends the process here where there is no entry.
CRASHING = ("native_batch_norm", "pdist")

Shape = tuple[int, ...]
LENGTHS: dict[str, Callable[[Shape], Shape]] = {
    "one": lambda shape: (1,) * len(shape),
    "none": lambda shape: (0,) * len(shape),
    "none first": lambda shape: (0, *shape[1:])[: len(shape)],
    "longer": lambda shape: tuple(length + 3 if length > 1 else 1 for length in shape),
}
# PyTorch refuses the other examples: their arguments, or definitions, name a length.
LEAST_SHARE = {"one": 0.7, "none": 0.55, "none first": 0.55, "longer": 0.75}
CASES = [
    (op.name, example, lengths)
    for op, example in EXAMPLES
    for lengths in LENGTHS
    if not ("none" in lengths and any(name in example for name in CRASHING)) and (example, lengths) not in TIED
]


def trace_of(program: str, leaves: dict[str, Tensor]) -> Trace | None:
    """Return the trace with a gradient, or None if PyTorch refuses to make one."""
    try:
        with double_precision():
            trace = run_program(read(program, Settings()), Settings(), leaves)
        output = trace.output.tensor
        wanted = [leaf.tensor for leaf in trace.leaves if leaf.tensor.requires_grad]
        torch.autograd.grad(output, wanted, torch.ones_like(output), allow_unused=True, retain_graph=True)
    except (GradcliError, RuntimeError):
        return None
    return trace


def assert_right(program: str, leaves: dict[str, Tensor], trace: Trace) -> None:
    output = trace.output.tensor
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1), dtype=output.dtype)
    settings = Settings(grad_output=weights, formulas=False)  # type: ignore[arg-type]
    report = evaluate_program(program, settings, leaves)
    finite = all(all_finite(tensor.value) and all_finite(tensor.gradient) for tensor in report.tensors)
    right = {Verdict.MATCH, Verdict.SUBGRADIENT} | (set() if finite else {Verdict.UNDEFINED})
    assert report.verdict in right, [(tensor.name, tensor.note) for tensor in report.tensors]


def point(example: str, lengths: str) -> tuple[str, dict[str, Tensor]]:
    """Return an example's program, and leaves with axes of other lengths."""
    program, shapes = parse_example(example)
    shapes = {name: LENGTHS[lengths](shape) for name, shape in shapes.items()}
    return program, leaves_for(read(program, Settings()), shapes, find, 5)


@pytest.mark.parametrize(
    ("example", "lengths"),
    [pytest.param(example, lengths, id=f"{name}: {example}-{lengths}") for name, example, lengths in CASES],
)
def test_an_example_with_axes_of_other_lengths(example: str, lengths: str) -> None:
    program, leaves = point(example, lengths)
    trace = trace_of(program, leaves)
    if trace is None:
        pytest.skip("PyTorch refuses these lengths")
    assert_right(program, leaves, trace)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_pytorch_takes_most_examples_at_other_lengths(lengths: str) -> None:
    taken = [trace_of(*point(example, lengths)) is not None for _, example, own in CASES if own == lengths]
    assert sum(taken) >= LEAST_SHARE[lengths] * len(taken), (sum(taken), len(taken))


@pytest.mark.parametrize("pair", EXAMPLES, ids=lambda pair: f"{pair[0].name}: {pair[1]}")
def test_an_example_with_other_strides(pair: tuple[Op, str]) -> None:
    program, shapes = parse_example(pair[1])
    leaves = leaves_for(read(program, Settings()), shapes, find, 6)
    strided = {name: torch.stack([leaf, leaf], -1)[..., 0] for name, leaf in leaves.items()}
    trace = trace_of(program, strided)
    assert trace is not None
    assert_right(program, strided, trace)
