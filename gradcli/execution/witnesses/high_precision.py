"""Who is right, by 50 digits: the derivative of the pointwise call at which the gradients part, at its worst entry."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from gradcli.execution.autograd.local_call import LocalCall
from gradcli.execution.comparison.exact import exact_contribution
from gradcli.execution.comparison.gradients import GradientComparison
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.trace import TracedCall, TracedTensor
from gradcli.execution.reference.nodes import ComplexNode, Edge, Node
from gradcli.execution.run import Run
from gradcli.ops.record import Kind

# How many times as far off a wrong derivative is as a right one, and by what part of it where no last bits do that.
WORSE, GROSS = 100.0, 1e-3


@dataclass(frozen=True, slots=True)
class Settlement:
    """How far autograd and the symbolic derivative are from the derivative to 50 digits, at one entry of one call."""

    autograd: float
    symbolic: float
    words: str

    @property
    def dissenter(self) -> str | None:
        """Return which of the two is wrong; None where neither or both may be."""
        if self.autograd > WORSE * self.symbolic:
            return "autograd"
        return "symbolic" if self.symbolic > WORSE * self.autograd else None


def arbitrate(run: Run, comparisons: GradientComparison) -> Settlement | None:
    """Return what 50 digits say of the call at which the gradients part; None unless it is pointwise."""
    call = comparisons.divergent()
    if run.decomposition is None or call is None or call.op.kind is not Kind.POINTWISE or call.gap is not None:
        return None
    node = run.decomposition.nodes[call.outputs[0]]
    upstream = comparisons.reference.values.get(call.outputs[0])
    if upstream is None or isinstance(node, ComplexNode) or len(node.edges) == 0:
        return None
    found = [_settle_edge(run, call, node, edge, upstream) for edge in node.edges]
    return max((one for one in found if one is not None), key=lambda one: max(one.autograd, one.symbolic), default=None)


def _settle_edge(run: Run, call: TracedCall, node: Node, edge: Edge, upstream: Tensor) -> Settlement | None:
    """Return what 50 digits say of a call's contribution to one operand, at the worst entry."""
    decomposition = run.decomposition
    assert decomposition is not None  # noqa: S101 (the caller has looked)
    traced = next((one for one in call.inputs if decomposition.nodes[one] is edge.source), None)
    if traced is None:
        return None
    with double_precision():
        local = LocalCall(call, {one: double(decomposition.nodes[one].tensor) for one in call.inputs}, [upstream])
        (theirs,) = local.autograd([traced])
        ours = _symbolic(run, edge, upstream)
    place = _worst(theirs, ours)
    found = None if place is None else exact_contribution(run.derivations, node, edge, upstream, place)
    if found is None or place is None or found.extent != "number":
        return None
    exact = Fraction(found.text)
    errors = [_error(value, place, exact) for value in (theirs, ours)]
    begun = f"to 50 digits the derivative of '{call.outputs[0].text}' is {float(exact):.17g} there: autograd is off by"
    words = f"{begun} {errors[0]:.1e}, the symbolic derivative by {errors[1]:.1e}"
    own = _at_own_values(call, traced, upstream, place)
    if own is not None and _error(own, place, exact) > max(WORSE * max(errors), GROSS * abs(float(exact))):
        # The call's backward is right, and its operand is not.
        values = [float(one.flatten()[place]) for one in (double(traced.tensor), decomposition.nodes[traced].tensor)]
        operand = traced.name or traced.text
        errors[0] = _error(own, place, exact)
        why = f"because '{operand}' is {values[0]:.6g} in PyTorch and {values[1]:.6g} by definition"
        words = f"{begun} {errors[0]:.1e}, {why}"
    return Settlement(errors[0], errors[1], words)


def _error(value: Tensor, place: int, exact: Fraction) -> float:
    """Return how far an entry is off."""
    return abs(float(Fraction(float(value.flatten()[place])) - exact))


def _at_own_values(call: TracedCall, traced: TracedTensor, upstream: Tensor, place: int) -> Tensor | None:
    """Return PyTorch's gradient of a call at its own values of the operands; None where an entry is not finite."""
    with double_precision():
        local = LocalCall(call, {one: double(one.tensor.detach()) for one in call.inputs}, [upstream])
        (found,) = local.autograd([traced])
    return found if bool(found.flatten()[place].isfinite()) else None


def _worst(theirs: Tensor, ours: Tensor) -> int | None:
    """Return the flat place at which two gradients differ most, of those where both are numbers; None if none is."""
    error = (theirs - ours).abs()
    error = error.masked_fill(~(theirs.isfinite() & ours.isfinite()), -1.0)
    return int(error.argmax()) if error.numel() and bool((error >= 0).any()) else None


def _symbolic(run: Run, edge: Edge, upstream: Tensor) -> Tensor:
    from gradcli.execution.reference.adjoints import contribution

    found = contribution(edge, upstream, run.derivations.known)
    return torch.zeros_like(edge.source.tensor) if found is None else found
