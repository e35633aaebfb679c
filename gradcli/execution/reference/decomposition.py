"""The trace on the tape: every call by the definition of its op."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest
from gradcli.errors import GradcliError, NotSupportedError
from gradcli.execution.forward.addresses import address_of
from gradcli.execution.forward.choices import Choice, chosen
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.interpreter import Interpreter
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.trace import InnerGradient, Trace, TracedCall, TracedTensor, replaced, traced_in
from gradcli.execution.reference.definitions import definition
from gradcli.execution.reference.last_bits import within_last_bits
from gradcli.execution.reference.nodes import ComplexNode, Node, nodes_in, parts, split
from gradcli.execution.reference.steps import Step
from gradcli.execution.reference.tape import Tape
from gradcli.execution.reference.tensor_eval import Perturbation, identity
from gradcli.ops.record import Kind
from gradcli.ops.table import find
from gradcli.tolerance import Tolerance, is_close

# How far a definition's values are from PyTorch's by rounding alone in double precision, relative to the largest.
ROUNDED = 1e-12


@dataclass(frozen=True, slots=True)
class DecomposedCall:
    """One call of the trace by the definition of its op."""

    call: TracedCall
    nodes: tuple[Node, ...]
    """The primitive nodes of the definition, in the order in which they were made."""
    operands: Sequence[Node]
    """What these depend on: its operands, and nodes inside of earlier definitions, which it differentiates."""
    own: Sequence[Node]
    """What it made: its results, which may be what it was given, and all the nodes."""
    error: str | None = None
    """Why there is no definition here."""
    steps: tuple[Step, ...] = ()
    """The ops that its definition came to."""


# Returns the gradients that the code asked for, as nodes, one an input.
Inner = Callable[["Decomposition", InnerGradient], "Sequence[Node | ComplexNode]"]


@dataclass(slots=True)
class Decomposition:
    """A whole trace on the tape, in double precision."""

    trace: Trace
    tape: Tape
    nodes: dict[TracedTensor, Any] = field(default_factory=dict)
    """The node of every traced tensor; a complex one's is a pair."""
    calls: list[DecomposedCall] = field(default_factory=list)
    shared: set[TracedTensor] = field(default_factory=set)
    """The tensors whose values are those of PyTorch's own run."""
    inner: Inner | None = None
    """What differentiates where the code itself asks for a gradient; without, nothing is said of that."""
    kept: dict[Hashable, Any] | None = None
    """What has been worked out of runs that come to the very same ops on the same entries; None if none are known."""

    def parts(self, several: Iterable[TracedTensor]) -> dict[Node, None]:
        """Return the nodes of tensors, two for a complex one, each once and in order."""
        nodes = [self.nodes[traced] for traced in several]
        return dict.fromkeys([part for node in nodes for part in parts(node)])

    def enter(self, leaf: TracedTensor, value: Tensor) -> None:
        """Put a leaf on the tape with a value in double precision."""
        self.nodes[leaf] = self.tape.enter(value, differentiable=leaf.tensor.requires_grad)
        if address_of(value) == address_of(leaf.tensor):
            self.shared.add(leaf)

    def entered(self, call: TracedCall, *, differentiable: bool) -> list[Any]:
        """Return nodes with the values of a call's outputs, which are made of nothing."""
        return [self.tape.enter(double(output.tensor), differentiable=differentiable) for output in call.outputs]

    def note(self, call: TracedCall, made: Sequence[Any]) -> None:
        """Take note of the nodes of a call's outputs."""
        for output, node in zip(call.outputs, made, strict=True):
            # A step function's derivative is zero, so it is a constant on the tape; its own gradient is still wanted.
            node.differentiable = node.differentiable or output.tensor.requires_grad
            self.nodes[output] = node

    @property
    def is_complex(self) -> bool:
        """Return whether some tensor of the trace is complex."""
        return any(isinstance(node, ComplexNode) for node in self.nodes.values())

    def solved_for(self) -> frozenset[Node]:
        """Return the nodes that an implicit definition depends on: their adjoints pass through a linear system."""
        found: set[Node] = set()
        for node in reversed(self.tape.nodes):
            if node in found or any(edge.request.unknown is not None for edge in node.edges):
                found.update(node.sources)
        return frozenset(found)

    def requests(self) -> list[DerivativeRequest]:
        """Return the signatures whose derivatives are needed, each once."""
        return list(dict.fromkeys([edge.request for node in self.tape.nodes for edge in node.edges]))


def decompose(
    trace: Trace,
    perturb: Perturbation = identity,
    moved: Mapping[TracedTensor, Tensor] | None = None,
    inner: Inner | None = None,
    *,
    own: bool = False,
    exact: frozenset[TracedTensor] = frozenset(),
) -> Decomposition:
    """Return the trace's definitions, expanded and run in double precision; `perturb` changes every value on the way.

    That is but for `exact` results, which nothing has rounded. `moved` leaves have other values than the trace's. A
    gradient that the code itself asks for is derived by `inner`. With `own`, each definition goes on from the values
    that PyTorch found where its own are the same but for rounding: what ties, or is 0, is then decided as it was in
    PyTorch.
    """
    decomposition = Decomposition(trace, Tape(perturb), inner=inner)
    with double_precision():
        for leaf in trace.leaves:
            value = double((moved or {}).get(leaf, leaf.tensor))
            decomposition.enter(leaf, value if own else perturb(value))
        for call in trace.calls:
            if call.outputs:  # else PyTorch returned what it was given
                decomposition.tape.perturb = identity if exact.issuperset(call.outputs) else perturb
                decomposition.calls.append(_decompose_call(decomposition, call))
                if own:
                    _go_on_from_own(decomposition, call)
    return decomposition


def _decompose_call(decomposition: Decomposition, call: TracedCall) -> DecomposedCall:
    tape, start, first = decomposition.tape, len(decomposition.tape.nodes), len(decomposition.tape.steps)
    error = None
    try:
        made = _results(decomposition, call) if call.gap is not None or _has_derivative(call) else []
    except (GradcliError, *REFUSALS) as failure:
        made, error = [], str(failure)
    if len(made) != len(call.outputs):
        made = decomposition.entered(call, differentiable=error is not None)
    decomposition.note(call, made)
    nodes = tuple(tape.nodes[start:])
    operands = decomposition.parts(call.inputs) | dict.fromkeys(() if call.inner is None else _sources(nodes))
    own = decomposition.parts(call.outputs) | dict.fromkeys(nodes)
    return DecomposedCall(call, nodes, [*operands], [*own], error, tuple(tape.steps[first:]))


def _results(decomposition: Decomposition, call: TracedCall) -> list[Any]:
    """Return the nodes of what a call made, which are its own; NotSupportedError if it has no definition."""
    if call.inner is not None and decomposition.inner is not None:
        found = list(decomposition.inner(decomposition, call.inner))
    elif call.gap is not None:
        raise NotSupportedError(call.gap)
    else:
        arguments = _on_tape(decomposition, call.arguments)
        found = nodes_in(decomposition.tape.apply(call.op, arguments, _known(decomposition, call)))
        found = _as_chosen(decomposition.tape, call, found)
    given = {decomposition.nodes[traced] for traced in call.inputs}
    made = _of_its_own(decomposition.tape, call, _made(call, found), given)
    _check_shapes(call, made)
    return made


def _as_chosen(tape: Tape, call: TracedCall, found: list[Any]) -> list[Any]:
    """Return the nodes of a call's results with the signs and in the order that PyTorch chose."""
    choices = chosen(call, [tape.tensor(node) for node in found])
    return [_chosen(tape, node, choices[place]) if place in choices else node for place, node in enumerate(found)]


def _chosen(tape: Tape, node: Any, choice: Choice) -> Any:
    text = "x" if choice.order is None else "gather(x, -1, order)"
    given = {
        name: tape.enter(tensor, differentiable=False)
        for name, tensor in {"order": choice.order, "turn": choice.turn}.items()
        if tensor is not None
    }
    text = text if choice.turn is None else f"{text}*turn"
    return Interpreter(definition(text), tape, {"x": node, **given}).run()


def _sources(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Return what nodes depend on that is not among them."""
    own = set(nodes)
    return tuple(dict.fromkeys(source for node in nodes for source in node.sources if source not in own))


def _has_derivative(call: TracedCall) -> bool:
    """Return whether a gradient passes through a call; none does where a side of it has no entries."""
    sides = [[t for t in side if t.tensor.requires_grad] for side in (call.inputs, call.outputs)]
    return all(any(traced.tensor.numel() for traced in side) for side in sides)


def _made(call: TracedCall, nodes: list[Any]) -> list[Any]:
    """Return those of a definition's results that stand where PyTorch made a tensor."""
    outputs = set(call.outputs)
    return [node for node, traced in zip(nodes, traced_in(call.result), strict=False) if traced in outputs]


def _known(decomposition: Decomposition, call: TracedCall) -> Any:
    """Return what PyTorch made of the very values that are on the tape; None if a definition has to be run."""
    if call.op.kind is Kind.COMPOSITE or not decomposition.shared.issuperset(call.inputs):
        return None
    if any(double(output.tensor).dtype != output.tensor.dtype for output in call.outputs):
        return None
    decomposition.shared.update(call.outputs)
    return replaced(call.result, lambda traced: traced.tensor.detach())


def _go_on_from_own(decomposition: Decomposition, call: TracedCall) -> None:
    """Put PyTorch's values of a call's results in the place of the definition's, where only rounding is between them.

    A result that cancels has the rounding of its operands.
    """
    for output in (one for one in call.outputs if one.is_inexact):
        node, value = decomposition.nodes[output], double(output.tensor.detach())
        scale = max((_largest(one) for one in (*call.inputs, output) if one.is_inexact), default=0.0)
        close = is_close(node.tensor, value, _rounding_of(output.tensor), scale)
        if close or within_last_bits(call, output, node.tensor):
            node.tensor = value
            for part, of_part in zip(parts(node), split(value), strict=True):
                part.tensor = of_part.contiguous()


def _largest(traced: TracedTensor) -> float:
    sizes = traced.tensor.detach().abs()
    finite = sizes[sizes.isfinite()]
    return float(finite.max()) if finite.numel() else 0.0


def _rounding_of(tensor: Tensor) -> float:
    tolerance = Tolerance.of(str(tensor.dtype).removeprefix("torch."))
    return tolerance.relative if tolerance.normwise else ROUNDED


def _check_shapes(call: TracedCall, made: list[Node | ComplexNode]) -> None:
    """Refuse a definition whose results are not shaped as PyTorch's: nothing could be said about them."""
    if [node.tensor.shape for node in made] != [output.tensor.shape for output in call.outputs]:
        msg = f"the definition of {call.op.name} does not have PyTorch's shape here"
        raise NotSupportedError(msg)
    if [node.tensor.is_complex() for node in made] != [output.tensor.is_complex() for output in call.outputs]:
        msg = f"the definition of {call.op.name} is complex where PyTorch's result is real, or the other way round"
        raise NotSupportedError(msg)


def _of_its_own(tape: Tape, call: TracedCall, made: list[Any], given: set[Any]) -> list[Any]:
    """Return an op's results, copied where its definition returns what it was given: `diff(x, 0)`."""
    clone = find("clone")
    assert clone is not None  # noqa: S101 (the table has it)
    return [
        tape.apply(clone, BoundCall(call.arguments.node, [node], {}, {"input": node})) if node in given else node
        for node in made
    ]


def _on_tape(decomposition: Decomposition, call: BoundCall) -> BoundCall:
    def node(traced: TracedTensor) -> Node | ComplexNode:
        return decomposition.nodes[traced]

    return BoundCall(
        call.node, replaced(call.positional, node), replaced(call.keywords, node), replaced(call.bound, node)
    )
