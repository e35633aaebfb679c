"""Detection power: a wrong gradient is a mismatch, whichever side is wrong, for every op and every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pytest
import torch
from mutants import FACTOR, mutants
from programs import INACCURATE, WRONG
from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest, Derived
from gradcli.engine import evaluate_program, shared_derivations
from gradcli.execution.autograd import backward
from gradcli.execution.comparison.culprits import Culprits
from gradcli.execution.comparison.gradients import GradientComparison
from gradcli.execution.comparison.own_values import OwnValues
from gradcli.execution.comparison.rounding import CEILING, Point
from gradcli.execution.forward import trace
from gradcli.execution.forward.domains import leaves_for, parse_example
from gradcli.execution.forward.dtypes import double_precision
from gradcli.execution.forward.run import run_program
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.adjoints import Adjoints, accumulate
from gradcli.execution.reference.decomposition import Decomposition, decompose
from gradcli.execution.reference.pullback import differentiate
from gradcli.inputs.programs import read
from gradcli.ops.record import Kind, Op
from gradcli.ops.table import OPS, find
from gradcli.report.verdict import Verdict, worst
from gradcli.settings import Settings
from gradcli.tolerance import Tolerance

# PyTorch warns of what is deprecated in it.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

EXAMPLES = [
    (op, example)
    for op in OPS
    if op.kind is not Kind.CONSTANT and op.name not in INACCURATE | WRONG
    for example in op.examples
]
EQUAL = 1e-12
# The symbolic worker is that of the whole runs.
DERIVATIONS = shared_derivations().for_check(seconds=60.0)
# The contract: how far an entry may be off, relative to itself and to the largest entry.
RELATIVE, ABSOLUTE = 1e-9, 1e-13

Bend = Callable[[Tensor], Tensor]


def largest_dropped(gradient: Tensor) -> Tensor:
    if not gradient.numel():
        return gradient
    bent = gradient.clone(memory_format=torch.contiguous_format)
    bent.view(-1)[gradient.abs().argmax()] = 0
    return bent


def transposed(gradient: Tensor) -> Tensor:
    square = gradient.ndim > 1 and gradient.shape[-1] == gradient.shape[-2]
    return gradient.mT if square else gradient


def summed_along(gradient: Tensor) -> Tensor:
    """Spread the sum over the first axis, as a wrong reduction of a broadcast would."""
    return gradient.sum(0, keepdim=True).expand(gradient.shape) if gradient.ndim else gradient


def identified(pair: tuple[Op, str]) -> str:
    return f"{pair[0].name}: {pair[1]}"


BENDS: Mapping[str, Bend] = {
    "scaled": lambda gradient: gradient * FACTOR,
    "negated": lambda gradient: -gradient,
    "an entry dropped": largest_dropped,
    "transposed": transposed,
    "shifted": lambda gradient: gradient.roll(1, 0) if gradient.ndim else gradient,
    "summed along an axis": summed_along,
}


@dataclass
class Case:
    """An example at its point, with the cotangent of its output."""

    text: str
    leaves: dict[str, Tensor]
    cotangent: Tensor
    decomposition: Decomposition = field(repr=False)

    @cached_property
    def right(self) -> list[Tensor]:
        """Return the gradients by the derivatives as they were derived."""
        found = adjoints(self, DERIVATIONS.known)
        assert found is not None
        return found

    @cached_property
    def gradients(self) -> dict[TracedTensor, Tensor]:
        """Return autograd's gradients."""
        trace = self.decomposition.trace
        return backward.backward(trace.output, list(dict.fromkeys(trace.tensors)), self.cotangent, [])

    def verdict_with(self, known: Mapping[DerivativeRequest, Derived]) -> Verdict:
        """Return the verdict with other derivatives: the part of a run that comes after autograd's."""
        with double_precision():
            reference = differentiate(self.decomposition, self.cotangent, known)
            tolerance = Tolerance.of("float64")
            point = Point(self.decomposition, reference, self.cotangent, DERIVATIONS)
            comparisons = GradientComparison.of(point, self.gradients, tolerance)
            judgements = [comparisons.compare_autograd(traced) for traced in self.gradients]
        return worst([judgement.verdict for judgement in judgements if judgement is not None])

    @property
    def verdict(self) -> Verdict | None:
        """Return the verdict of a whole run."""
        settings = Settings(grad_output=self.cotangent, formulas=False)  # type: ignore[arg-type]
        return evaluate_program(self.text, settings, self.leaves).verdict


def case_of(example: str) -> Case:
    text, shapes = parse_example(example)
    settings = Settings(shapes=dict(shapes))
    program = read(text, settings)
    leaves = leaves_for(program, shapes, find, seed=1)
    with double_precision():
        trace = run_program(program, settings, leaves)
    shape = trace.output.tensor.shape
    cotangent = torch.randn(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    decomposition = decompose(trace)
    DERIVATIONS.request(decomposition.requests())
    return Case(text, leaves, cotangent, decomposition)


class Bent(torch.autograd.Function):
    """The identity with a wrong gradient; it notes by how much it is wrong."""

    @staticmethod
    def forward(context: Any, tensor: Tensor, bend: Bend, changes: list[float]) -> Tensor:
        context.bend, context.changes = bend, changes
        return tensor.view_as(tensor)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        bent = context.bend(gradient)
        context.changes.append(difference(bent, gradient))
        return bent, None, None


def difference(one: Tensor, other: Tensor) -> float:
    """Return how far two tensors are apart, relative to the largest entry; NaN is infinitely far from a number."""
    if one.shape != other.shape:
        return float("inf")
    error = (one - other).abs().masked_fill(one.isnan() & other.isnan(), 0.0).nan_to_num(nan=float("inf"))
    size = other.abs().nan_to_num(nan=0.0, posinf=0.0)
    return float(error.max() / size.max().clamp_min(1e-300)) if error.numel() else 0.0


def bent_arguments(value: Any, bend: Bend, changes: list[float]) -> Any:
    """Return arguments whose tensors pass a wrong gradient on."""
    if isinstance(value, Tensor):
        return Bent.apply(value, bend, changes) if value.requires_grad else value
    if isinstance(value, dict):
        return {name: bent_arguments(item, bend, changes) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(bent_arguments(item, bend, changes) for item in value)
    return value


def bend_op(monkeypatch: pytest.MonkeyPatch, op: Op, bend: Bend, changes: list[float]) -> None:
    """Make PyTorch's gradient of one op wrong, wherever a call of it runs."""
    original = trace.target_of

    def target_of(called: Op, call: Any) -> Callable[..., Any]:
        target = original(called, call)
        if called not in (op, *op.overloads):
            return target
        return lambda *positional, **keywords: target(
            *bent_arguments(positional, bend, changes), **bent_arguments(keywords, bend, changes)
        )

    monkeypatch.setattr(trace, "target_of", target_of)


@dataclass(frozen=True)
class MostNoise:
    """As much noise everywhere as may excuse an entry anywhere."""

    values: Mapping[TracedTensor, float]

    def rounding_error(self, traced: TracedTensor) -> Tensor:
        return torch.tensor(self.values[traced], dtype=torch.float64)

    def scatter(self, traced: TracedTensor) -> Tensor:
        return self.rounding_error(traced).expand(traced.tensor.shape)

    def scatter_error(self, traced: TracedTensor) -> Tensor:
        return self.rounding_error(traced)

    def condition_error(self, traced: TracedTensor, *, normwise: bool) -> Tensor:
        del normwise
        return self.rounding_error(traced)


@pytest.fixture(autouse=True)
def _most_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow every entry the most rounding noise there can be, which is quicker to tell than how much there is."""

    def most(point: Point, wanted: Iterable[TracedTensor], *_: object, **__: object) -> MostNoise:
        return MostNoise(dict.fromkeys(wanted, CEILING * point.scale))

    monkeypatch.setattr(Point, "noise", most)
    monkeypatch.setattr(Point, "conditioning", most)
    monkeypatch.setattr(Point, "last_noise", lambda point, *_, **__: torch.tensor(CEILING * point.scale))
    # What is wrong in a derivative is as wrong at PyTorch's own values, which are these.
    monkeypatch.setattr(OwnValues, "admit", lambda *_: False)


def passes_gradients(case: Case, op: Op) -> bool:
    """Return whether a gradient passes through a call of the op."""
    calls = [call for call in case.decomposition.trace.calls if call.op in (op, *op.overloads)]
    return any(traced.tensor.requires_grad for call in calls for traced in call.inputs)


@pytest.mark.parametrize("pair", EXAMPLES, ids=identified)
def test_a_wrong_gradient_of_pytorch_is_a_mismatch(pair: tuple[Op, str], monkeypatch: pytest.MonkeyPatch) -> None:
    op, example = pair
    case = case_of(example)
    assert case.verdict in {Verdict.MATCH, Verdict.SUBGRADIENT}
    if not passes_gradients(case, op):
        pytest.skip("PyTorch has no derivative here to make wrong")  # such as `vander(detach(x))*y`
    outcomes = {}
    for name, bend in BENDS.items():
        with monkeypatch.context() as patch:
            outcomes[name] = outcome_of_bend(case, op, bend, patch)
    assert {*outcomes.values()} <= {"equivalent", "detected"}, outcomes
    if outcomes["scaled"] == "equivalent":
        pytest.skip("the gradient is 0 here, and cannot be scaled")


def outcome_of_bend(case: Case, op: Op, bend: Bend, patch: pytest.MonkeyPatch) -> str:
    """Return what became of a wrong gradient of PyTorch's: it has to be a mismatch unless it is the same numbers."""
    changes: list[float] = []
    bend_op(patch, op, bend, changes)
    verdict = case.verdict
    assert changes, "the op is not called"
    if max(changes) <= EQUAL:
        return "equivalent"
    return "detected" if verdict is Verdict.MISMATCH else f"survived as {verdict}"


# Mutants of a derivative that compute no gradient, so that there is none to detect.
BROKEN = {"no program", "not a number", "undecided"}
# Those that compute the right one.
RIGHT = {"equivalent", "within the tolerance"}


@pytest.mark.parametrize("family", dict.fromkeys(op.family for op, _ in EXAMPLES))
def test_a_wrong_derivative_is_a_mismatch(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Why PyTorch's gradient may be the wrong one, which it is not, takes longer than the verdict.
    monkeypatch.setattr(Culprits, "of", lambda *_: ())
    outcomes = dict(outcomes_of_mutants(family))
    survivors = {
        mutant: outcome for mutant, outcome in outcomes.items() if outcome not in {"detected", *BROKEN, *RIGHT}
    }
    assert survivors == {}
    counts = Counter(outcomes.values())
    assert counts["detected"]
    assert sum(counts[outcome] for outcome in BROKEN) < counts.total() / 3, counts


def outcomes_of_mutants(family: str) -> Iterator[tuple[tuple[str, str, str], str]]:
    """Yield what became of every mutant of the derivatives in a family's examples; equal ones are taken once."""
    seen: set[DerivativeRequest] = set()
    for example in [text for op, text in EXAMPLES if op.family == family]:
        case = case_of(example)
        # Requests that differ in nothing but their static parameters have the same steps.
        patterns = {replace(request, numbers=()): request for request in case.decomposition.requests()}
        fresh = [request for pattern, request in patterns.items() if pattern not in seen]
        seen |= patterns.keys()
        for request in fresh:
            for name, mutant in mutants(DERIVATIONS.known[request]):
                yield (example, request.formula, name), judged(case, request, mutant)


def judged(case: Case, signature: DerivativeRequest, mutant: Derived) -> str:
    """Return what became of a mutant: it has to be a mismatch if it makes a gradient another number at this point.

    One that makes no number is not taken for a derivative: the difference quotients decide in its place.
    """
    known = DERIVATIONS.known | {signature: mutant}
    try:
        wrong = adjoints(case, known)
    except (RuntimeError, IndexError, TypeError, ValueError):
        return "no program"
    if wrong is None:
        return "undecided" if case.verdict_with(known) is Verdict.UNDECIDED else "survived"
    if any(bool(found.isnan().any()) for found in wrong):
        return "not a number"
    if all(difference(found, right) <= EQUAL for found, right in zip(wrong, case.right, strict=True)):
        return "equivalent"
    if all(tolerable(found, right) for found, right in zip(wrong, case.right, strict=True)):
        return "within the tolerance"
    verdict = case.verdict_with(known)
    return "detected" if verdict is Verdict.MISMATCH else f"survived as {verdict}"


def tolerable(found: Tensor, known: Tensor) -> bool:
    """Return whether a gradient is as near as the contract asks: the last terms of a power series do not matter."""
    if found.shape != known.shape:
        return False
    if not known.numel():
        return True
    size = known.abs()
    return bool(((found - known).abs() <= RELATIVE * size + (ABSOLUTE + CEILING) * size.amax()).all())


def adjoints(case: Case, known: Mapping[DerivativeRequest, Derived]) -> list[Tensor] | None:
    """Return the symbolic gradient of every tensor that the report shows, with no care for kinks; None if undecided."""
    decomposition = case.decomposition
    output = decomposition.nodes[decomposition.trace.output]
    found = Adjoints({output: case.cotangent})
    with double_precision(), torch.no_grad():
        accumulate(decomposition.tape.nodes, found, known)
    nodes = [decomposition.nodes[traced] for traced in decomposition.trace.tensors]
    return None if found.undecided else [found.values.get(node, torch.zeros_like(node.tensor)) for node in nodes]
