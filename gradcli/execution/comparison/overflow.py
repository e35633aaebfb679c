"""Infinite gradients that are no infinite derivatives: too large for the dtype, or made by rounding on the way to them.

An infinite derivative is infinite at its point alone: that of the root at 0. One that overflows is so next to it too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.execution.autograd.local_call import LocalCall
from gradcli.execution.comparison.exact import exact_contribution
from gradcli.execution.comparison.nonfinite import resting
from gradcli.execution.comparison.rounded_points import is_rounded
from gradcli.execution.forward.dtypes import double, double_precision
from gradcli.execution.forward.finite import all_finite
from gradcli.execution.forward.indices import show_index, unravel
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor
from gradcli.execution.reference.decomposition import Decomposition, decompose
from gradcli.execution.reference.nodes import Node
from gradcli.ops.record import Kind
from gradcli.report.notes import NoteKind, Notes, noted
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

Gradients = Mapping[TracedTensor, Tensor | None]

LARGEST = Fraction(sys.float_info.max)
# How far to go from a point, relative to its entries, and from an entry that is 0.
NEXT, FROM_ZERO = 2.0**-20, 2.0**-500
AT_ROUNDED = (
    "the derivative of '{}' is infinite only at the values to which rounding takes its operands here; without rounding "
    "the gradient is another"
)


@dataclass(frozen=True, slots=True)
class Overflow:
    """What an infinite gradient is in truth: `mismatch` if the dtype holds it, and `undefined` if it holds no such.

    It is `undecided` where rounding made the point at which a derivative is infinite.
    """

    verdict: Verdict
    notes: Notes


@dataclass(frozen=True, slots=True)
class _Calls:
    """The calls of a program by their definitions, and the gradients that arrive at them."""

    decomposition: Decomposition
    gradients: Gradients
    derivations: Derivations
    accounted: set[TracedTensor] = field(default_factory=set)
    """The tensors to whose infinite gradients a call contributes an infinite one."""


def resting_on_overflow(trace: Trace, gradients: Gradients, derivations: Derivations) -> dict[TracedTensor, Overflow]:
    """Return, for each tensor whose gradient passes a derivative that overflows in double precision, where that is."""
    decomposition = decompose(trace)
    derivations.request(decomposition.requests())
    calls = _Calls(decomposition, gradients, derivations)
    with double_precision():
        found = resting(trace, lambda call: _at(calls, call))
        known = {trace.output, *found, *calls.accounted}
        sums = [traced for traced in gradients if _is_infinite(gradients[traced]) and traced not in known]
        return found | {traced: _summed(calls, trace, traced) for traced in sums}


def _at(calls: _Calls, call: TracedCall) -> tuple[Overflow | None, Iterable[TracedTensor]]:
    """Return what overflows at a call, and the operands for which it does."""
    wanted = [traced for traced in call.inputs if _is_infinite(calls.gradients.get(traced))]
    if not wanted:
        return None, ()
    if call.gap is not None:  # what it contributes is not known
        calls.accounted.update(wanted)
        return None, ()
    if not all(cotangent is None or all_finite(cotangent) for cotangent in map(calls.gradients.get, call.outputs)):
        calls.accounted.update(wanted)
        return None, ()
    found = dict(_overflows(calls, _local(calls, call), wanted))
    calls.accounted.update(found)
    known = {traced: overflow for traced, overflow in found.items() if overflow is not None}
    return next(iter(known.values()), None), known


def _local(calls: _Calls, call: TracedCall) -> LocalCall:
    cotangents = [calls.gradients.get(output) for output in call.outputs]
    doubles = [None if cotangent is None else double(cotangent) for cotangent in cotangents]
    return LocalCall(call, {traced: double(traced.tensor) for traced in call.inputs}, doubles)


def _summed(calls: _Calls, trace: Trace, traced: TracedTensor) -> Overflow:
    """Return what a gradient is of which only the sum of what several calls contribute is infinite."""
    gradient = calls.gradients[traced]
    assert gradient is not None  # noqa: S101 (it is infinite)
    (place,) = gradient.reshape(-1).isinf().nonzero()[0].tolist()
    readers = [call for call in trace.calls if traced in call.inputs]
    total = sum((Fraction(float(_entry(_local(calls, call), traced, place))) for call in readers), Fraction(0))
    return _overflow(f"by '{traced.name or traced.text}'", traced, place, total)


def _overflows(
    calls: _Calls, local: LocalCall, wanted: list[TracedTensor]
) -> Iterator[tuple[TracedTensor, Overflow | None]]:
    """Yield the operands whose contributions are infinite, with what they are in truth; None for what is infinite."""
    for traced, contribution in zip(wanted, local.autograd(wanted), strict=True):
        for place in contribution.reshape(-1).isinf().nonzero()[:1, 0].tolist():
            known = _exactly(calls, local, traced, place) or _nearby(local, traced, place)
            if known == INFINITE:
                yield traced, _at_rounded(calls, local, traced, contribution.isinf())
            else:
                yield traced, _overflow(f"of '{local.call.outputs[0].text}'", traced, place, known)


def _at_rounded(calls: _Calls, local: LocalCall, traced: TracedTensor, infinite: Tensor) -> Overflow | None:
    """Return what is infinite only at the point that rounding made of a call's operands; None of what is infinite."""
    nodes = {traced: infinite}
    if local.call.op.kind is Kind.POINTWISE:
        shape = local.call.outputs[0].tensor.shape
        operands = [one for one in local.call.inputs if one.tensor.is_floating_point()]
        nodes = {one: infinite.expand(shape).double().sum_to_size(one.tensor.shape) > 0 for one in operands}
    known = {calls.decomposition.nodes[one]: mask for one, mask in nodes.items()}
    if not is_rounded(calls.decomposition, calls.derivations, known):
        return None
    text = local.call.outputs[0].text
    return Overflow(Verdict.UNDECIDED, noted(NoteKind.ROUNDING, AT_ROUNDED.format(text), text))


# What is said of a number: that it is infinite, that it overflows on the way, or the number itself.
INFINITE, UNKNOWN = "infinite", "unknown"


def _exactly(calls: _Calls, local: LocalCall, traced: TracedTensor, place: int) -> str | Fraction | None:
    """Return what a pointwise call contributes to an entry, by its derivative to 50 digits; None if there is none."""
    node = calls.decomposition.nodes[local.call.outputs[0]]
    upstream = local.cotangents[0]
    if local.call.op.kind is not Kind.POINTWISE or not isinstance(node, Node) or upstream is None:
        return None
    edges = [edge for edge in node.edges if edge.source is calls.decomposition.nodes[traced]]
    answers = [exact_contribution(calls.derivations, node, edge, upstream, place) for edge in edges]
    known = [answer for answer in answers if answer is not None]
    if not known or len(known) < len(answers):
        return None
    if any(answer.extent == "infinite" for answer in known):
        return INFINITE
    large = [answer.text for answer in known if answer.extent == "too large"]
    return large[0] if large else sum((Fraction(answer.text) for answer in known), Fraction(0))


def _nearby(local: LocalCall, traced: TracedTensor, place: int) -> str | Fraction:
    """Return the same by PyTorch's gradient of the call, for a small upstream gradient and next to the point."""
    size = max(float(cotangent.abs().max()) for cotangent in local.cotangents if cotangent is not None)
    small = replace(local, cotangents=[None if v is None else v / size for v in local.cotangents])
    found = _entry(small, traced, place)
    if found.isfinite():
        return Fraction(float(found)) * Fraction(size)
    moved = replace(small, tensors={operand: _moved(value) for operand, value in local.tensors.items()})
    return INFINITE if _entry(moved, traced, place).isfinite() else UNKNOWN


def _entry(local: LocalCall, traced: TracedTensor, place: int) -> Tensor:
    return local.autograd([traced])[0].reshape(-1)[place]


def _moved(value: Tensor) -> Tensor:
    """Return a tensor next to another: nearer to 0, where functions whose slope is infinite at 1 are defined."""
    if not value.is_floating_point():
        return value
    return torch.where(value == 0, FROM_ZERO, value * (1 - NEXT))


def _overflow(what: str, traced: TracedTensor, place: int, known: str | Fraction) -> Overflow:
    begun = f"the derivative {what}{show_index(unravel(place, tuple(traced.tensor.shape)))} is not infinite, but"
    if isinstance(known, Fraction) and abs(known) <= LARGEST:
        words, verdict = f"{begun} {float(known):.10g}: it overflows on the way", Verdict.MISMATCH
    elif known == UNKNOWN:
        words, verdict = f"{begun} overflows on the way, so that it is not known", Verdict.UNDEFINED
    else:
        size = f"{known}" if isinstance(known, str) else _shown(known)
        words, verdict = f"{begun} too large for double precision: {size}", Verdict.UNDEFINED
    return Overflow(verdict, noted(NoteKind.UNDEFINED, words, traced.text))


def _shown(number: Fraction) -> str:
    """Return a number that no float holds to three digits."""
    return f"{Decimal(number.numerator) / number.denominator:.2e}"


def _is_infinite(gradient: Tensor | None) -> bool:
    return gradient is not None and bool(gradient.isinf().any())


def exceeds(gradient: Tensor | None, reference: Tensor, tolerance: Tolerance, dtype: torch.dtype) -> bool:
    """Return whether a gradient is right but for being infinite where there is no number so large.

    `dtype` is the lowest that it passes through, as under autocast.
    """
    if gradient is None or gradient.is_complex() or gradient.shape != reference.shape:
        return False
    largest = min(torch.finfo(one).max for one in (gradient.dtype, dtype))
    beyond = double(gradient).isinf() & (reference.abs() > largest) & (gradient.cpu().sign() == reference.sign())
    parts = [part.masked_fill(beyond, 0.0) for part in (double(gradient), reference)]
    return bool(beyond.any()) and bool(tolerance.agrees(*parts).all())
