"""An infinite upstream gradient, for every example of the op table: a new op needs no new test.

What does not depend on an entry has derivative 0 by it, whatever arrives. The reference is PyTorch's own gradient where
it holds no NaN.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gradcli.engine import evaluate_program, shared_derivations
from gradcli.execution.forward.domains import leaves_for, parse_example
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.run import run_program
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.reference.decomposition import decompose
from gradcli.execution.reference.pullback import Reference, differentiate
from gradcli.inputs.programs import read
from gradcli.ops.table import OPS, find
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings

# PyTorch warns of what is deprecated in it.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

EXAMPLES = [(op.name, example) for op in OPS for example in op.examples]
# A dense solver mixes all right-hand sides that are not finite; substitution does not. The backward of eig refuses a
# loss that depends on a phase, and takes an infinity for one.
SUBSTITUTED = frozenset({"linalg.solve_triangular", "triangular_solve", "linalg.eig"})
# The symbolic worker is that of the whole runs.
DERIVATIONS = shared_derivations().for_check(seconds=60.0)


def traced(example: str) -> Trace:
    source, shapes = parse_example(example)
    settings = Settings(shapes=dict(shapes))
    program = read(source, settings)
    with double_precision():
        return run_program(program, settings, leaves_for(program, shapes, find))


def upstream(output: Tensor, place: int) -> Tensor:
    """Return an upstream gradient with one infinite entry and, if there are others, one that is 0."""
    generator = torch.Generator().manual_seed(0)
    found = 0.5 + torch.rand(output.numel(), generator=generator, dtype=torch.float64)
    found[place - 1] = 0.0
    found[place] = math.inf
    return found.reshape(output.shape)


def symbolic(trace: Trace, cotangent: Tensor) -> Reference:
    with double_precision():
        decomposition = decompose(trace)
    DERIVATIONS.request(decomposition.requests())
    return differentiate(decomposition, cotangent, DERIVATIONS.known)


def autograd(trace: Trace, cotangent: Tensor) -> dict[TracedTensor, Tensor]:
    leaves = [leaf for leaf in trace.leaves if leaf.tensor.requires_grad]
    tensors = [leaf.tensor for leaf in leaves]
    found = torch.autograd.grad(trace.output.tensor, tensors, cotangent, materialize_grads=True)
    return {leaf: torch.view_as_real(g) if g.is_complex() else g for leaf, g in zip(leaves, found, strict=True)}


@pytest.mark.parametrize(("op", "example"), EXAMPLES)
def test_what_does_not_depend_stays_finite(op: str, example: str) -> None:
    trace = traced(example)
    output = trace.output.tensor
    if op in SUBSTITUTED or output.is_complex() or not output.numel() or not output.requires_grad:
        pytest.skip("PyTorch substitutes, or takes no infinite real number as the upstream gradient here")
    cotangent = upstream(output, output.numel() // 2)
    reference, looked_at = symbolic(trace, cotangent), 0
    for leaf, gradient in autograd(trace, cotangent).items():
        value = reference.values[leaf]
        value = torch.view_as_real(value) if value.is_complex() else value
        if not gradient.isnan().any():
            looked_at += 1
            finite = gradient.isfinite()
            torch.testing.assert_close(value[finite], gradient[finite], rtol=1e-7, atol=1e-9)
    if not looked_at:
        pytest.skip("PyTorch's own gradient is NaN here")


MASK = "tensor([True, False])"
# At a point where the first entry is the one that counts, so that the derivative by the second is 0.
SELECTIONS = {
    "a branch": f"sqrt(where({MASK}, t - 1, 0))[1]",
    "relu": "sqrt(relu(1 - t))[1]",
    "clamp": "sqrt(clamp(t, max=0) + 0*t[0])[1]",
    "threshold": "sqrt(F.threshold(t, 5, 0))[1]",
    "hardtanh": "sqrt(F.hardtanh(t, 0, 1) - 1)[1]",
    "a maximum": "sqrt(maximum(-t, zeros_like(t)))[1]",
    "a minimum": "sqrt(minimum(t, zeros_like(t)))[1]",
    "a filled entry": f"sqrt(masked_fill(t, logical_not({MASK}), 0))[1]",
    "a sum of the masked": f"sqrt(torch.masked.sum(t - 1, mask={MASK}))",
    "a running sum": "sqrt(cumsum(t - 1, 0))[0]",
    "a diagonal": 'sqrt(einsum("ii->", diag_embed(t - 1)[:, :1] * tensor([[1.0, 0], [0, 0]])))',
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_root_of_what_is_selected(name: str) -> None:
    leaf = torch.tensor([1.0, 2.0], dtype=torch.float64)
    report = evaluate_program(f"({SELECTIONS[name]}).sum()", Settings(formulas=False), {"t": leaf})
    assert float(report["t"].gradient[1]) == 0.0  # PyTorch's own
    assert float(report["t"].symbolic.value[1]) == 0.0


@pytest.mark.parametrize(
    ("program", "leaves", "gradient"),
    [
        ("sqrt(trace(M))", [[0.0, 1.0], [2.0, 0.0]], [[math.inf, 0.0], [0.0, math.inf]]),
        ('sqrt(einsum("ii->", M))', [[0.0, 1.0], [2.0, 0.0]], [[math.inf, 0.0], [0.0, math.inf]]),
        ("acos((trace(M) - 1)/2)", [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]], None),
        ("sqrt(cumsum(M, 0)).sum()", [[0.0], [1.0]], [[math.inf], [0.5]]),
        ("sqrt(relu(M)).sum()", [[-1.0, 4.0]], [[0.0, 0.25]]),
    ],
)
def test_an_infinite_gradient_of_some_entries_alone(
    program: str, leaves: list[list[float]], gradient: list[list[float]] | None
) -> None:
    report = evaluate_program(program, Settings(formulas=False), {"M": torch.tensor(leaves, dtype=torch.float64)})
    rotation = torch.where(torch.eye(3, dtype=torch.bool), -math.inf, 0.0)
    wanted = rotation if gradient is None else torch.tensor(gradient)
    assert torch.equal(report["M"].symbolic.value, wanted.to(torch.float64))
    assert report["M"].verdict is Verdict.MATCH


def test_a_factor_that_happens_to_be_zero_is_a_number() -> None:
    leaves = {"t": torch.tensor(0.0, dtype=torch.float64), "k": torch.tensor(0.0, dtype=torch.float64)}
    assert evaluate_program("sqrt(t*k)", Settings(formulas=False), leaves)["t"].verdict is Verdict.UNDEFINED
