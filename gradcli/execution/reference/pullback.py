"""The symbolic gradient of every traced tensor: reverse accumulation through the definitions, call by call.

The output has its cotangent. From the last call to the first, each call's definition pulls the cotangents of its
results back to its operands, kinks are decided, and contributions add up to adjoints, of which gradients are read off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradcli.derivation.messages import DerivativeRequest, Derived
from gradcli.execution.autograd.local_call import LocalCall
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.finite import has_nan
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.execution.reference.adjoints import Adjoints, accumulate
from gradcli.execution.reference.decomposition import DecomposedCall, Decomposition
from gradcli.execution.reference.kinks import Adopted, adopt_choice, bending_operands, has_kink
from gradcli.execution.reference.nodes import Node, joined, parts, split

Derivatives = Mapping[DerivativeRequest, Derived]


@dataclass(slots=True)
class Reference:
    """The symbolic gradient of every traced tensor, and what stood in the way."""

    values: dict[TracedTensor, Tensor] = field(default_factory=dict)
    undecided: dict[TracedTensor, str] = field(default_factory=dict)
    """Why a tensor has no symbolic gradient."""
    kinked: dict[TracedTensor, str] = field(default_factory=dict)
    """The call with the kink that a tensor's gradient passes through."""
    by_difference_quotient: dict[TracedTensor, str] = field(default_factory=dict)
    """The call on the way whose symbolic derivative is NaN, so that difference quotients stand in for it."""
    first_nan: TracedCall | None = None
    """The call whose derivative made the first NaN."""


@dataclass(frozen=True, slots=True)
class LocalPullback:
    """One call's cotangents taken back through its definition, apart from all other calls."""

    call: DecomposedCall
    cotangents: Mapping[Node, Tensor]
    """What arrived: a second derivative also arrives inside the definition, for the gradient was made of its nodes."""
    adjoints: Adjoints
    """Of the operands, and of the nodes of the definition."""
    bent: Sequence[Node]
    """The nodes of the definition that may have a kink."""

    @property
    def makes_nan(self) -> bool:
        """Return whether the derivative makes a NaN that was not there before."""
        if self.adjoints.is_finite:
            return False
        nodes = [node for node in self.call.operands if node in self.adjoints.values and node not in self.cotangents]
        made = any(has_nan(self.adjoints.values[node]) for node in nodes)
        return made and not any(map(has_nan, self.cotangents.values()))


def differentiate(decomposition: Decomposition, cotangent: Tensor, derived: Derivatives) -> Reference:
    """Return the gradient of every traced tensor; `cotangent` has the output's shape."""
    return pull_back(decomposition, adjoints_of_output(decomposition, cotangent), derived)


def adjoints_of_output(decomposition: Decomposition, cotangent: Tensor) -> Adjoints:
    """Return the adjoints that everything begins with: the output's is its cotangent."""
    adjoints = Adjoints(perturb=decomposition.tape.perturb)
    output = decomposition.nodes[decomposition.trace.output]
    for node, part in zip(parts(output), split(double(cotangent)), strict=True):
        adjoints.add(node, part)
    return adjoints


def pull_back(decomposition: Decomposition, adjoints: Adjoints, derived: Derivatives) -> Reference:
    """Take adjoints of nodes on the tape back to every traced tensor."""
    reference = Reference()
    with double_precision(), torch.no_grad():
        for call in reversed(decomposition.calls):
            local = pull_back_call(call, adjoints, derived)
            if local is not None:
                decide_kinks(decomposition, local, reference)
                pass_on(local, adjoints)
    collect_gradients(decomposition, adjoints, reference)
    return reference


def pull_back_call(call: DecomposedCall, adjoints: Adjoints, derived: Derivatives) -> LocalPullback | None:
    """Take what arrived at one call back to its operands; None if nothing did, or if there is no derivative."""
    values, undecided = adjoints.values, adjoints.undecided
    reached = {node: values[node] for node in call.own if node in values}
    reasons = [undecided[node] for node in call.own if node in undecided] if undecided else []
    if call.error is not None and (reached or reasons):
        reasons = [call.error]
    for node in call.operands if reasons else ():
        adjoints.fail(node, reasons[0])
    if reasons or not reached:
        return None
    local, bent = adjoints.within(reached), [node for node in call.nodes if node.kinks is not None]
    accumulate(call.nodes, local, derived, kept={*call.operands, *bent})
    return LocalPullback(call, reached, local, bent)


def decide_kinks(decomposition: Decomposition, local: LocalPullback, reference: Reference) -> None:
    """Adopt autograd's choice at a kink of a call, and at what only looks like one (0 times infinity); note which."""
    call, kink, made_nan = local.call.call, has_kink(local.bent, local.adjoints), local.makes_nan
    if not (kink or made_nan):
        for marked in filter(None, (reference.kinked, reference.by_difference_quotient)):
            _mark(marked, call, ())
        return
    inputs = {traced: decomposition.nodes[traced] for traced in call.inputs}
    tensors = {traced: node.tensor.detach() for traced, node in inputs.items()}
    local_call, adopted = LocalCall(call, tensors, ()), None
    # Autograd's choice for the call is known only where all of the gradient comes in by the call's results.
    if call.inner is None and local.cotangents.keys() <= decomposition.parts(call.outputs).keys():
        cotangents = [joined(decomposition.nodes[traced], local.cotangents) for traced in call.outputs]
        local_call = LocalCall(call, tensors, cotangents)
        adopted = adopt_choice(local_call, inputs, local.adjoints, declared=kink)
    kink = kink or adopted is Adopted.AT_KINK
    _mark(reference.kinked, call, bending_operands(local_call) if kink else ())
    quotient = adopted is Adopted.BY_DIFFERENCE_QUOTIENT and not kink
    _mark(reference.by_difference_quotient, call, call.inputs if quotient else ())
    if reference.first_nan is None and made_nan and local.makes_nan:
        reference.first_nan = call


def _mark(marked: dict[TracedTensor, str], call: TracedCall, here: Sequence[TracedTensor]) -> None:
    """Mark operands with the call's name, and all with the mark of a result: their gradients pass through the same."""
    if not marked and not here:
        return
    further = next((marked[traced] for traced in call.outputs if traced in marked), None)
    for traced in here if further is None else call.inputs:
        marked.setdefault(traced, further or call.outputs[0].name or call.outputs[0].text)


def pass_on(local: LocalPullback, adjoints: Adjoints) -> None:
    """Add a call's contributions to its operands' adjoints; a reason why there is none goes on, too."""
    for node in local.call.operands:
        if node in local.adjoints.undecided:
            adjoints.fail(node, local.adjoints.undecided[node])
        elif node in local.adjoints.values and node not in local.cotangents:
            adjoints.take(node, local.adjoints)


def collect_gradients(decomposition: Decomposition, adjoints: Adjoints, reference: Reference) -> None:
    """Read every tensor's gradient off its nodes' adjoints: zeros where none arrived."""
    undecided = adjoints.undecided
    for traced, node in decomposition.nodes.items():
        reasons = [undecided[part] for part in parts(node) if part in undecided] if undecided else ()
        if reasons:
            reference.undecided[traced] = reasons[0]
        elif node.tensor.is_floating_point() or node.tensor.is_complex():  # integers and truth values have no gradient
            value = joined(node, adjoints.values)
            reference.values[traced] = torch.zeros_like(node.tensor) if value is None else value
