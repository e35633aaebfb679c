"""What fixes a gradient that is NaN or infinite: rewritings of one call, each tried at the point before it is shown."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradcli.errors import ExecutionError, GradcliError
from gradcli.execution.forward import tree
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor, invocation, traced_in
from gradcli.execution.forward.tracer import run
from gradcli.limits import Limits
from gradcli.ops.programs import parse_program
from gradcli.ops.remedies import SAFE, Remedy

# How far a rewriting may move an output that is finite, relative to it: it is to fix the gradient, not the program.
MOVED = 1e-3


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call with something else in place of an operand, or of itself: `values` are what the rewriting reads."""

    call: TracedCall
    remedy: Remedy
    values: Mapping[str, TracedTensor]
    condition: Tensor | None = None
    """What {condition} is in the rewriting, a constant."""

    def run(self, known: Mapping[TracedTensor, Tensor]) -> dict[TracedTensor, Tensor]:
        """Return the results of the call as it is rewritten, and what stands in for the operand."""
        leaves = {name: known[traced] for name, traced in self.values.items()}
        if self.condition is not None:
            leaves["condition"] = self.condition
        rewritten = value_of(self.remedy, leaves)
        if self.remedy.operand is None:
            (result,) = traced_in(self.call.result)
            if rewritten.shape != result.tensor.shape:
                raise ExecutionError("it has a different shape")
            return {result: rewritten}
        stand_in = TracedTensor(rewritten, None, "")
        arguments = _with_argument(self.call.arguments, self.remedy.operand, stand_in)
        results = invocation(self.call.op, arguments, ({**known, stand_in: rewritten}).__getitem__)()
        return {stand_in: rewritten, **dict(zip(traced_in(self.call.result), tree.tensors(results), strict=True))}


def value_of(remedy: Remedy, values: Mapping[str, Tensor]) -> Tensor:
    """Return what a rewriting comes to, over the tensors that it reads."""
    program = parse_program(remedy.over(x="x", y="y", condition="condition"), Limits())
    output: TracedTensor = run(program, dict(values), Limits()).output
    return output.tensor


def _with_argument(arguments: BoundCall, place: int, value: TracedTensor) -> BoundCall:
    """Return a call's arguments with another one at a place in the order of the signature."""
    positional, keywords = list(arguments.positional), dict(arguments.keywords)
    if place < len(positional):
        positional[place] = value
    else:
        keywords[[*arguments.bound][place]] = value
    return BoundCall(arguments.node, positional, keywords, arguments.bound)


def remedy(trace: Trace, call: TracedCall, cotangent: Tensor | None) -> str | None:
    """Return in words what fixes the gradients of a trace, of what the op's record offers; None if nothing does."""
    for offered in call.op.remedy or SAFE:
        attempt = Attempt(call, offered, _read_by(call, offered))
        if attempt.values and mends(trace, [attempt], cotangent):
            return f"to fix it, {offered.reason}: write {shown(attempt)}"
    return None


def branch_remedy(trace: Trace, call: TracedCall, condition: TracedTensor, cotangent: Tensor | None) -> str | None:
    """Return in words what fixes a call in a branch of `where` that is not taken: an operand that is safe there."""
    for operand in range(len(call.arguments.bound)):
        for rewriting in ("where({condition}, {x}, 1)", "where({condition}, 1, {x})"):
            offered = Remedy("", rewriting, operand)
            attempt = Attempt(call, offered, _read_by(call, offered), condition.tensor.detach())
            if attempt.values and mends(trace, [attempt], cotangent):
                return f"write {shown(attempt, condition=called(condition))}"
    return None


def _read_by(call: TracedCall, offered: Remedy) -> dict[str, TracedTensor]:
    """Return the tensors that a rewriting reads, by their names in it; none if it does not fit the call."""
    bound = list(call.arguments.bound.values())
    places = [0, 1] if offered.operand is None else [offered.operand]
    names = zip("xy", places, strict=False)
    found = {name: bound[place] for name, place in names if place < len(bound)}
    return {name: value for name, value in found.items() if isinstance(value, TracedTensor)}


def shown(attempt: Attempt, **more: str) -> str:
    """Return a rewriting with the user's names, and what it stands in place of."""
    names = {name: called(traced) for name, traced in attempt.values.items()}
    whole, text = attempt.call.outputs[0].text, attempt.remedy.over(**names, **more)
    return f"{text} in place of " + (f"'{whole}'" if attempt.remedy.operand is None else f"{names['x']} in '{whole}'")


def called(traced: TracedTensor) -> str:
    """Return what the program calls a tensor."""
    return traced.name or traced.text


def mends(trace: Trace, attempts: Sequence[Attempt], cotangent: Tensor | None) -> bool:
    """Return whether calls, rewritten, and every gradient are finite, and the output, where it is finite, stays.

    A gradient may be finite and wrong where the value of a call has overflowed: x/norm(x) is 0 then. Where all of it is
    finite as it stands, the calls are not the code, which computes in half precision on the way: nothing is known.
    """
    output = trace.output.tensor.detach()
    try:
        with warnings.catch_warnings(action="ignore"):  # what is tried is not the user's program
            moved, made = _rerun(trace, attempts, cotangent)
            if not _are_finite(made) or _are_finite(_rerun(trace, attempts, cotangent, as_it_stands=True)[1]):
                return False
    except (*REFUSALS, GradcliError):
        return False
    finite = output.isfinite()
    return moved.shape == output.shape and bool(((moved - output).abs() <= MOVED * (1 + output.abs()))[finite].all())


def _are_finite(tensors: Sequence[Tensor]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


def _rerun(
    trace: Trace, attempts: Sequence[Attempt], cotangent: Tensor | None, *, as_it_stands: bool = False
) -> tuple[Tensor, list[Tensor]]:
    """Return the output, and what is to be finite, of a trace with calls rewritten: their results, and all gradients.

    A leaf's gradient alone may hide a NaN behind it.
    """
    with torch.enable_grad():
        known = {leaf: leaf.tensor.detach().clone().requires_grad_(leaf.tensor.requires_grad) for leaf in trace.leaves}
        known = run_with(trace, [] if as_it_stands else attempts, known)
        output = known[trace.output]
        v = torch.ones_like(output) if cotangent is None else cotangent
        tensors = [tensor for tensor in known.values() if tensor.requires_grad]
        found: tuple[Tensor | None, ...] = torch.autograd.grad(output, tensors, v, allow_unused=True)
    results = [known[traced].detach() for attempt in attempts for traced in attempt.call.outputs]
    return output.detach(), [*results, *(gradient for gradient in found if gradient is not None)]


def run_with(
    trace: Trace,
    attempts: Sequence[Attempt],
    known: Mapping[TracedTensor, Tensor],
    fixed: Mapping[TracedTensor, Tensor] | None = None,
) -> dict[TracedTensor, Tensor]:
    """Return the values of all tensors with calls rewritten, from those of the leaves; some may be `fixed`."""
    values = {**known, **(fixed or {})}
    for call in trace.calls:
        attempt = next((attempt for attempt in attempts if attempt.call is call), None)
        values |= call.run(values) if attempt is None else attempt.run(values)
        values |= fixed or {}
    return values
