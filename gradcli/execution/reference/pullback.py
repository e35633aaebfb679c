"""The symbolic side of a run: the trace's definitions on a tape, and the gradient of every traced tensor by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest, Derived
from gradcli.execution.autograd.local_call import LocalCall
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.finite import has_nan
from gradcli.execution.forward.tracer import TracedCall, TracedTensor
from gradcli.execution.reference.adjoints import Adjoints, accumulate
from gradcli.execution.reference.decomposition import Decomposition, Group
from gradcli.execution.reference.kinks import Settled, has_kink, resolve
from gradcli.execution.reference.nodes import ComplexNode, Node, joined, parts, split


@dataclass(slots=True)
class Reference:
    """The symbolic gradient of every traced tensor, and what stood in the way.

    `kinked` tensors' gradients pass through a kink, `measured` ones' through a call whose symbolic derivative is NaN,
    so that difference quotients stand in for it; both have the call's name. `undecided` has a reason for every tensor
    without a derivative; `first_nan` is the call whose derivative made the first NaN.
    """

    values: dict[TracedTensor, Tensor] = field(default_factory=dict)
    undecided: dict[TracedTensor, str] = field(default_factory=dict)
    kinked: dict[TracedTensor, str] = field(default_factory=dict)
    measured: dict[TracedTensor, str] = field(default_factory=dict)
    first_nan: TracedCall | None = None


def differentiate(
    decomposition: Decomposition, cotangent: Tensor, derived: Mapping[DerivativeRequest, Derived]
) -> Reference:
    """Return the gradient of every traced tensor; `cotangent` has the output's shape."""
    adjoints = Adjoints(perturb=decomposition.tape.perturb)
    upstream = split(double(cotangent))
    for node, part in zip(parts(decomposition.nodes[decomposition.trace.output]), upstream, strict=True):
        adjoints.add(node, part)
    return pull_back(decomposition, adjoints, derived)


def pull_back(
    decomposition: Decomposition, adjoints: Adjoints, derived: Mapping[DerivativeRequest, Derived]
) -> Reference:
    """Take adjoints of nodes on the tape back to every traced tensor."""
    reference = Reference()
    with double_precision(), torch.no_grad():
        for group in reversed(decomposition.groups):
            _through(decomposition, group, adjoints, derived, reference)
    for traced, node in decomposition.nodes.items():
        reason = next((adjoints.undecided[part] for part in parts(node) if part in adjoints.undecided), None)
        if reason is not None:
            reference.undecided[traced] = reason
        elif node.tensor.is_floating_point() or node.tensor.is_complex():  # integers and truth values have no gradient
            value = joined(node, adjoints.values)
            reference.values[traced] = torch.zeros_like(node.tensor) if value is None else value
    return reference


def _through(
    decomposition: Decomposition,
    group: Group,
    adjoints: Adjoints,
    derived: Mapping[DerivativeRequest, Derived],
    reference: Reference,
) -> None:
    """Take the adjoints of one call's results through its definition to its operands.

    A second derivative also arrives at the nodes inside the definition: the gradient was made of them.
    """
    inputs = decomposition.parts(group.call.inputs)
    own = dict.fromkeys([*decomposition.parts(group.call.outputs), *group.nodes])
    reached = [node for node in own if node in adjoints.values]
    undecided = [adjoints.undecided[node] for node in own if node in adjoints.undecided]
    if undecided or (group.error is not None and reached):
        for node in inputs:
            adjoints.fail(node, group.error or undecided[0])
    elif reached:
        local = adjoints.within(reached)
        kept = {*inputs, *(node for node in group.nodes if node.kinks is not None)}
        accumulate(group.nodes, local, derived, kept=kept)
        _judge_locally(decomposition, group, {node: adjoints.values[node] for node in reached}, local, reference)
        for node in inputs:
            if node in local.undecided:
                adjoints.fail(node, local.undecided[node])
            elif node in local.values and node not in reached:
                adjoints.take(node, local)


def _judge_locally(
    decomposition: Decomposition, group: Group, upstream: Mapping[Node, Tensor], local: Adjoints, reference: Reference
) -> None:
    """Settle the kinks of one call, and note where there was one and where the first NaN was made."""
    inputs = {traced: decomposition.nodes[traced] for traced in group.call.inputs}
    outputs = [decomposition.nodes[traced] for traced in group.call.outputs]
    operands = decomposition.parts(group.call.inputs)
    kink, made_nan = has_kink(group.nodes, local), _makes_nan(operands, upstream, local)
    settled = None
    # Autograd's choice for the call is known only where all of the gradient comes in by the call's results.
    if (kink or made_nan) and upstream.keys() <= {*decomposition.parts(group.call.outputs)}:
        weights = [joined(node, upstream) for node in outputs]
        settled = _settle(group, inputs, weights, local, declared=kink)
    kink = kink or settled is Settled.KINK
    _mark(reference.kinked, group, here=kink)
    _mark(reference.measured, group, here=settled is Settled.MEASURED and not kink)
    if reference.first_nan is None and made_nan and _makes_nan(operands, upstream, local):
        reference.first_nan = group.call


def _settle(
    group: Group,
    inputs: Mapping[TracedTensor, Node | ComplexNode],
    weights: Sequence[Tensor | None],
    local: Adjoints,
    *,
    declared: bool,
) -> Settled | None:
    """Settle a call's kinks, and what only looks like one (0 times infinity); return which it was, if settled."""
    tensors = {traced: node.tensor.detach() for traced, node in inputs.items()}
    return resolve(LocalCall(group.call, tensors, weights), inputs, local, declared=declared)


def _mark(places: dict[TracedTensor, str], group: Group, *, here: bool) -> None:
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
