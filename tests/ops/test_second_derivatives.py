"""Second derivatives, for every example of the op table: a new op needs no new test.

The references are PyTorch's double backward, central differences of PyTorch's first derivative where it has none, and
element-wise sympy and mpmath in tests/execution/test_second.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.derivation.messages import DerivativeRequest, Derived
from gradcli.derivation.tensor_program import Step, TensorProgram
from gradcli.engine import shared_derivations
from gradcli.execution.forward.domains import leaves_for, parse_example
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.run import run_program
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.reference.decomposition import decompose
from gradcli.execution.reference.second_order import GradientNodes
from gradcli.execution.reference.systems.problem import UndecidedError
from gradcli.inputs.programs import read
from gradcli.ops.record import Op
from gradcli.ops.table import OPS, find
from gradcli.settings import Settings

# PyTorch warns of what is deprecated in it.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

EXAMPLES = [(op, example) for op in OPS for example in op.examples]
# PyTorch's first derivative is wrong here, so its second one is not a reference: docs/findings.md.
WRONG = frozenset({"ctc_loss"})
# PyTorch's second derivative is NaN here: of logaddexp where both are -inf, and nothing arrives.
NOT_A_NUMBER = frozenset({"masked.logaddexp"})
NOT_THERE = "is not implemented"
STEP = 1e-5
# The symbolic worker is that of the whole runs.
DERIVATIONS = shared_derivations().for_check(seconds=60.0)


@dataclass(frozen=True)
class Case:
    """An example at its point; `weights` make one number of its output, and `seeds` one of its gradients."""

    program: str
    leaves: dict[str, Tensor]
    weights: Tensor
    seeds: dict[str, Tensor]

    def trace(self, shift: float = 0.0) -> Trace:
        """Return the program's run, its leaves moved along the seeds."""
        moved = {
            name: leaf if not shift or f"detach({name})" in self.program else leaf + shift * self.seeds[name]
            for name, leaf in self.leaves.items()
        }
        settings = Settings()
        with double_precision():
            return run_program(read(self.program, settings), settings, moved)

    def symbolic(self, derivations: Derivations = DERIVATIONS) -> tuple[list[Tensor], Tensor]:
        """Return the Hessian-vector product of every leaf, and the Jacobian-vector product."""
        trace = self.trace()
        decomposition = decompose(trace)
        derivations.request(decomposition.requests())
        gradients = GradientNodes.of(decomposition, self.weights, derivations)
        leaves = differentiable(trace)
        seeds = {leaf: self.seeds[leaf.text] for leaf in leaves}
        second = gradients.pull_back(seeds, leaves)
        assert not any(leaf in second.undecided for leaf in leaves), second.undecided
        return [second.values[leaf] for leaf in leaves], gradients.push_forward(seeds)

    def autograd(self) -> tuple[list[Tensor], Tensor]:
        """Return the same by PyTorch's double backward."""
        trace = self.trace()
        leaves = differentiable(trace)
        upstream = self.weights.clone().requires_grad_()
        total = self._product(trace, upstream, create_graph=True)
        if not total.requires_grad:
            return [torch.zeros_like(leaf.tensor) for leaf in leaves], torch.zeros_like(self.weights)
        *second, forward = torch.autograd.grad(
            total, [*(leaf.tensor for leaf in leaves), upstream], materialize_grads=True
        )
        return second, forward

    def differences(self) -> list[Tensor]:
        """Return the Hessian-vector product by central differences of PyTorch's first derivative."""
        ends = []
        for sign in (1.0, -1.0):
            trace = self.trace(sign * STEP)
            found = torch.autograd.grad(
                trace.output.tensor,
                [leaf.tensor for leaf in differentiable(trace)],
                self.weights,
                materialize_grads=True,
            )
            ends.append(found)
        return [(above - below) / (2 * STEP) for above, below in zip(*ends, strict=True)]

    def _product(self, trace: Trace, upstream: Tensor, *, create_graph: bool) -> Tensor:
        leaves = differentiable(trace)
        first = torch.autograd.grad(
            trace.output.tensor,
            [leaf.tensor for leaf in leaves],
            upstream,
            create_graph=create_graph,
            materialize_grads=True,
        )
        total = sum((gradient * self.seeds[leaf.text]).sum() for leaf, gradient in zip(leaves, first, strict=True))
        assert isinstance(total, Tensor)
        return total


def differentiable(trace: Trace) -> list[TracedTensor]:
    return [leaf for leaf in trace.leaves if leaf.tensor.requires_grad]


def case_of(example: str) -> Case:
    program, shapes = parse_example(example)
    settings = Settings(shapes=dict(shapes))
    leaves = leaves_for(read(program, settings), shapes, find, 0)
    generator = torch.Generator().manual_seed(1)

    def random(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, dtype=torch.float64)

    seeds = {name: random(leaf) for name, leaf in leaves.items()}
    case = Case(program, leaves, torch.tensor(0.0), seeds)
    return replace(case, weights=random(case.trace().output.tensor))


def near(found: Tensor, wanted: Tensor, relative: float) -> bool:
    """Tell whether two tensors are equal but for rounding, relative to the largest entry."""
    if found.shape != wanted.shape:
        return False
    scale = max(1e-3, float(wanted.abs().max())) if wanted.numel() else 1.0
    return bool(((found - wanted).abs() <= relative * scale).all())


def all_near(found: Sequence[Tensor], wanted: Sequence[Tensor], relative: float = 1e-9) -> bool:
    return all(near(one, other, relative) for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize("pair", EXAMPLES, ids=lambda pair: f"{pair[0].name}: {pair[1]}")
def test_second_derivatives_are_pytorchs(pair: tuple[Op, str]) -> None:
    case = case_of(pair[1])
    second, forward = case.symbolic()
    try:
        known, product = case.autograd()
    except (RuntimeError, NotImplementedError) as error:
        assert NOT_THERE in str(error)  # noqa: PT017 (any other error is one of this test)
        assert pair[0].name in WRONG or all_near(second, case.differences(), 1e-5)
        return
    if pair[0].name in NOT_A_NUMBER:
        assert any(bool(tensor.isnan().any()) for tensor in known)
        known = [torch.where(wanted.isnan(), 0.0, wanted) for wanted in known]
    assert all_near(second, known)
    assert near(forward, product, 1e-9)


MUTATED = [
    "x**3 | x=2",
    "x*y | x=2x3 y=3",
    "softmax(x, -1) | x=2x3",
    "a @ b | a=2x3 b=3x4",
    "inv(a) | a=3x3",
    "F.layer_norm(x, (4,)) | x=3x4",
    "cumprod(x, 0) | x=4",
    "linalg.qr(a)[1] | a=3x2",
    "norm(x) | x=2x3",
    "x[0]*x[1] | x=2x3",
]


def scaled(program: TensorProgram) -> TensorProgram:
    """Return a program whose result is off by a little."""
    first = len(program.operands) + len(program.steps)
    steps = (Step("number", (), (), "", 1.0005), Step("mul", (program.result, first), (program.out, ""), program.out))
    return replace(program, steps=(*program.steps, *steps), result=first + 1)


@pytest.mark.parametrize("example", MUTATED)
def test_a_wrong_second_derivative_is_seen(example: str) -> None:
    case = case_of(example)
    known, product = case.autograd()
    case.symbolic()
    used = Watched(DERIVATIONS.known)
    case.symbolic(replace(DERIVATIONS, known=used))
    higher = [
        signature for signature in used.read if signature.pulled_back_by and not zero(DERIVATIONS.known[signature])
    ]
    assert higher
    survivors = []
    for signature in higher:
        answer = DERIVATIONS.known[signature]
        wrong = replace(answer, adjoints={name: scaled(program) for name, program in answer.adjoints.items()})
        second, forward = case.symbolic(replace(DERIVATIONS, known={**DERIVATIONS.known, signature: wrong}))
        if all_near(second, known) and near(forward, product, 1e-9):
            survivors.append(signature)
    assert survivors == []


class Watched(dict[DerivativeRequest, Derived]):
    """A mapping that notes which keys are read."""

    def __init__(self, items: Mapping[DerivativeRequest, Derived]) -> None:
        super().__init__(items)
        self.read: list[DerivativeRequest] = []

    def __getitem__(self, key: DerivativeRequest) -> Derived:
        if key not in self.read:
            self.read.append(key)
        return super().__getitem__(key)


def zero(answer: Derived) -> bool:
    return all(program.is_zero for program in answer.adjoints.values())


def test_a_gradient_at_a_kink_that_autograd_chose_has_no_derivative() -> None:
    case = replace(case_of("abs(x) | x=2"), leaves={"x": torch.tensor([0.0, 1.0], dtype=torch.float64)})
    trace = case.trace()
    decomposition = decompose(trace)
    DERIVATIONS.request(decomposition.requests())
    gradients = GradientNodes.of(decomposition, torch.ones(2, dtype=torch.float64), DERIVATIONS)
    (leaf,) = trace.leaves
    seeds = {leaf: torch.ones(2, dtype=torch.float64)}
    assert "kink" in gradients.pull_back(seeds, [leaf]).undecided[leaf]
    with pytest.raises(UndecidedError, match="kink"):
        gradients.push_forward(seeds)
