"""The symbolic side of a run: the trace's definitions on a tape, and the gradient of every traced tensor by them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.messages import Derived, Signature
from gradcli.errors import GradcliError, NotSupportedError
from gradcli.execution.adjoint import Adjoints, accumulate
from gradcli.execution.complexes import ComplexNode, joined, parts, split
from gradcli.execution.evaluate import Shake, still
from gradcli.execution.finite import has_nan
from gradcli.execution.kinks import LocalCall, Settled, has_kink, resolve
from gradcli.execution.machine import BoundCall
from gradcli.execution.nodes import Node, nodes_in
from gradcli.execution.tape import Tape
from gradcli.execution.trace import Trace, Traced, TracedCall, replaced, traced_in
from gradcli.ops.record import Kind
from gradcli.ops.table import find


@dataclass(frozen=True, slots=True)
class Group:
    """One call of the trace and the primitive nodes of its definition; `error` says why there are none."""

    call: TracedCall
    nodes: tuple[Node, ...]
    error: str | None = None


@dataclass(slots=True)
class Expansion:
    """A whole trace on the tape, in double precision; the values in `shared` are those of PyTorch's own run."""

    trace: Trace
    tape: Tape
    nodes: dict[Traced, Any] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)
    shared: set[Traced] = field(default_factory=set)

    def parts(self, several: Iterable[Traced]) -> dict[Node, None]:
        """Return the nodes of tensors, two for a complex one, each once and in order."""
        return dict.fromkeys(node for traced in several for node in parts(self.nodes[traced]))

    @property
    def is_complex(self) -> bool:
        """Return whether some tensor of the trace is complex."""
        return any(isinstance(node, ComplexNode) for node in self.nodes.values())

    def signatures(self) -> list[Signature]:
        """Return the signatures whose derivatives are needed, each once."""
        return list(dict.fromkeys(edge.signature for node in self.tape.nodes for edge in node.edges))


@dataclass(slots=True)
class Reference:
    """The symbolic gradient of every traced tensor, and what stood in the way.

    `kinked` tensors' gradients pass through a kink, `measured` ones' through a call whose symbolic derivative is NaN,
    so that difference quotients stand in for it; both have the call's name. `undecided` has a reason for every tensor
    without a derivative; `first_nan` is the call whose derivative made the first NaN.
    """

    values: dict[Traced, Tensor] = field(default_factory=dict)
    undecided: dict[Traced, str] = field(default_factory=dict)
    kinked: dict[Traced, str] = field(default_factory=dict)
    measured: dict[Traced, str] = field(default_factory=dict)
    first_nan: TracedCall | None = None


def expand(trace: Trace, shake: Shake = still, moved: Mapping[Traced, Tensor] | None = None) -> Expansion:
    """Return the trace's definitions, expanded and run in double precision; `shake` changes every value on the way.

    `moved` leaves have other values than the trace's.
    """
    expansion = Expansion(trace, Tape(shake))
    with double_precision():
        for leaf in trace.leaves:
            value = shake(double((moved or {}).get(leaf, leaf.tensor)))
            expansion.nodes[leaf] = expansion.tape.enter(value, differentiable=leaf.tensor.requires_grad)
            if value.data_ptr() == leaf.tensor.data_ptr():
                expansion.shared.add(leaf)
        for call in trace.calls:
            if call.outputs:  # else PyTorch returned what it was given
                expansion.groups.append(_expand_call(expansion, call))
    return expansion


def _expand_call(expansion: Expansion, call: TracedCall) -> Group:
    tape, start = expansion.tape, len(expansion.tape.nodes)
    error = None
    if _has_derivative(call):
        try:
            result = tape.apply(call.op, _on_tape(expansion, call.call), _known(expansion, call))
            made = _of_its_own(tape, call, _made(call, nodes_in(result)), {expansion.nodes[t] for t in call.inputs})
            _check_shapes(call, made)
        except (GradcliError, RuntimeError, TypeError, ValueError, IndexError, KeyError) as failure:
            made, error = [], str(failure)
    else:
        made = []
    if len(made) != len(call.outputs):
        made = [tape.enter(double(output.tensor), differentiable=error is not None) for output in call.outputs]
    for output, node in zip(call.outputs, made, strict=True):
        # A step function's derivative is zero, so it is a constant on the tape; its own gradient is still wanted.
        node.differentiable = node.differentiable or output.tensor.requires_grad
        expansion.nodes[output] = node
    return Group(call, tuple(tape.nodes[start:]), error)


def _has_derivative(call: TracedCall) -> bool:
    """Return whether a gradient passes through a call; none does where a side of it has no entries."""
    sides = [[t for t in side if t.tensor.requires_grad] for side in (call.inputs, call.outputs)]
    return all(any(traced.tensor.numel() for traced in side) for side in sides)


def _made(call: TracedCall, nodes: list[Any]) -> list[Any]:
    """Return those of a definition's results that stand where PyTorch made a tensor."""
    outputs = set(call.outputs)
    return [node for node, traced in zip(nodes, traced_in(call.result), strict=False) if traced in outputs]


def _known(expansion: Expansion, call: TracedCall) -> Any:
    """Return what PyTorch made of the very values that are on the tape; None where a definition has to be run."""
    if call.op.kind is Kind.COMPOSITE or not expansion.shared.issuperset(call.inputs):
        return None
    if any(double(output.tensor).dtype != output.tensor.dtype for output in call.outputs):
        return None
    expansion.shared.update(call.outputs)
    return replaced(call.result, lambda traced: traced.tensor.detach())


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
        tape.apply(clone, BoundCall(call.call.node, [node], {}, {"input": node})) if node in given else node
        for node in made
    ]


def _on_tape(expansion: Expansion, call: BoundCall) -> BoundCall:
    def node(traced: Traced) -> Node | ComplexNode:
        return expansion.nodes[traced]

    return BoundCall(
        call.node, replaced(call.positional, node), replaced(call.keywords, node), replaced(call.bound, node)
    )


def differentiate(expansion: Expansion, cotangent: Tensor, derived: Mapping[Signature, Derived]) -> Reference:
    """Return the gradient of every traced tensor; `cotangent` has the output's shape."""
    adjoints = Adjoints(shake=expansion.tape.shake)
    upstream = split(double(cotangent))
    for node, part in zip(parts(expansion.nodes[expansion.trace.output]), upstream, strict=True):
        adjoints.add(node, part)
    return pull_back(expansion, adjoints, derived)


def pull_back(expansion: Expansion, adjoints: Adjoints, derived: Mapping[Signature, Derived]) -> Reference:
    """Take adjoints of nodes on the tape back to every traced tensor."""
    reference = Reference()
    with double_precision(), torch.no_grad():
        for group in reversed(expansion.groups):
            _through(expansion, group, adjoints, derived, reference)
    for traced, node in expansion.nodes.items():
        reason = next((adjoints.undecided[part] for part in parts(node) if part in adjoints.undecided), None)
        if reason is not None:
            reference.undecided[traced] = reason
        elif node.tensor.is_floating_point() or node.tensor.is_complex():  # integers and truth values have no gradient
            value = joined(node, adjoints.values)
            reference.values[traced] = torch.zeros_like(node.tensor) if value is None else value
    return reference


def _through(
    expansion: Expansion, group: Group, adjoints: Adjoints, derived: Mapping[Signature, Derived], reference: Reference
) -> None:
    """Take the adjoints of one call's results through its definition to its operands.

    A second derivative also arrives at the nodes inside the definition: the gradient was made of them.
    """
    inputs = expansion.parts(group.call.inputs)
    own = dict.fromkeys([*expansion.parts(group.call.outputs), *group.nodes])
    reached = [node for node in own if node in adjoints.values]
    undecided = [adjoints.undecided[node] for node in own if node in adjoints.undecided]
    if undecided or (group.error is not None and reached):
        for node in inputs:
            adjoints.fail(node, group.error or undecided[0])
    elif reached:
        local = adjoints.within(reached)
        kept = {*inputs, *(node for node in group.nodes if node.kinks is not None)}
        accumulate(group.nodes, local, derived, kept=kept)
        _judge_locally(expansion, group, {node: adjoints.values[node] for node in reached}, local, reference)
        for node in inputs:
            if node in local.undecided:
                adjoints.fail(node, local.undecided[node])
            elif node in local.values and node not in reached:
                adjoints.take(node, local)


def _judge_locally(
    expansion: Expansion, group: Group, upstream: Mapping[Node, Tensor], local: Adjoints, reference: Reference
) -> None:
    """Settle the kinks of one call, and note where there was one and where the first NaN was made."""
    inputs = {traced: expansion.nodes[traced] for traced in group.call.inputs}
    outputs = [expansion.nodes[traced] for traced in group.call.outputs]
    operands = expansion.parts(group.call.inputs)
    kink, made_nan = has_kink(group.nodes, local), _makes_nan(operands, upstream, local)
    settled = None
    # Autograd's choice for the call is known only where all of the gradient comes in by the call's results.
    if (kink or made_nan) and upstream.keys() <= {*expansion.parts(group.call.outputs)}:
        weights = [joined(node, upstream) for node in outputs]
        settled = _settle(group, inputs, weights, local, declared=kink)
    kink = kink or settled is Settled.KINK
    _mark(reference.kinked, group, here=kink)
    _mark(reference.measured, group, here=settled is Settled.MEASURED and not kink)
    if reference.first_nan is None and made_nan and _makes_nan(operands, upstream, local):
        reference.first_nan = group.call


def _settle(
    group: Group,
    inputs: Mapping[Traced, Node | ComplexNode],
    weights: Sequence[Tensor | None],
    local: Adjoints,
    *,
    declared: bool,
) -> Settled | None:
    """Settle a call's kinks, and what only looks like one (0 times infinity); return which it was, if settled."""
    tensors = {traced: node.tensor.detach() for traced, node in inputs.items()}
    return resolve(LocalCall(group.call, tensors, weights), inputs, local, declared=declared)


def _mark(places: dict[Traced, str], group: Group, *, here: bool) -> None:
    """Mark a call's operands: their gradients pass through a place that is here, or was marked at a result."""
    first = group.call.outputs[0]
    name = first.name or first.text if here else next((places[t] for t in group.call.outputs if t in places), None)
    if name is not None:
        for traced in group.call.inputs:
            places.setdefault(traced, name)


def _makes_nan(inputs: Iterable[Node], upstream: Mapping[Node, Tensor], local: Adjoints) -> bool:
    """Return whether a call's derivative makes a NaN that was not there before."""
    contributions = [local.values[node] for node in inputs if node in local.values and node not in upstream]
    return any(has_nan(value) for value in contributions) and not any(has_nan(value) for value in upstream.values())


def double(tensor: Tensor) -> Tensor:
    """Return a detached copy-free view of a tensor in double precision; integers and booleans stay what they are."""
    tensor = tensor.detach()
    if tensor.is_complex():
        return tensor.to(torch.complex128)
    return tensor.to(torch.float64) if tensor.is_floating_point() else tensor


@contextmanager
def double_precision() -> Iterator[None]:
    """Make factories inside definitions give float64, and warnings silent: the user's own run has shown them."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_default_dtype(before)
