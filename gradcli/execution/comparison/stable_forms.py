"""What fixes an overflow of exp that cancels further on: softmax, logsumexp and the like, or a maximum subtracted.

A form is recognised by its values at moderate points, not by how the program is written.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from gradcli.errors import GradcliError
from gradcli.execution.comparison.mending import Attempt, mends, run_with, shown, value_of
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor, traced_in
from gradcli.ops.remedies import OF_TWO, STABLE, Remedy, shifts, stable_forms

Values = Mapping[TracedTensor, Tensor]
# The tensors that a rewriting reads, by their names in it.
Read = Mapping[str, TracedTensor]
# How large the operands of exp are at the points at which a form is compared with the program, and what is added.
MODERATE = ((1.5, 0.0), (0.7, 0.4))
SAME = 1e-9
# The most calls, and operands of exp, for which a form is looked for.
MOST_CALLS, MOST_OPERANDS = 60, 4


def stable_form(trace: Trace, cotangent: Tensor | None) -> str | None:
    """Return in words what keeps exp from overflowing, or all of its results from being 0; None if nothing does."""
    taken = [call for call in trace.calls if call.op.name == "exp" and traced_in(call.arguments.bound["input"])]
    operands = list(dict.fromkeys(call.inputs[0] for call in taken if _is_real(call.inputs[0])))
    if not operands or len(operands) > MOST_OPERANDS or len(trace.calls) > MOST_CALLS:
        return None
    points = [moderate for scale in MODERATE if (moderate := _moderate(trace, operands, *scale)) is not None]
    if len(points) < len(MODERATE):
        return None
    for attempt in _standing(trace, _forms(trace, operands), points):
        if mends(trace, [attempt], cotangent):
            return f"to fix it, {STABLE}: write {shown(attempt)}"
    return _shifted(trace, taken, operands, cotangent)


def _is_real(traced: TracedTensor) -> bool:
    return traced.tensor.is_floating_point() and bool(traced.tensor.isfinite().all()) and traced.tensor.numel() > 0


def _moderate(trace: Trace, operands: Sequence[TracedTensor], scale: float, step: float) -> Values | None:
    """Return the values of all tensors where the operands of exp are moderate; None if some cannot be computed then."""
    largest = max(float(traced.tensor.detach().abs().max()) for traced in operands) or 1.0
    fixed = {traced: traced.tensor.detach() * (scale / largest) + step * scale for traced in operands}
    fixed |= {base: -fixed[traced] for traced, base in _negatives(trace).items() if traced in fixed}
    try:
        with torch.no_grad():
            return run_with(trace, (), {leaf: leaf.tensor.detach() for leaf in trace.leaves}, fixed)
    except (*REFUSALS, GradcliError):
        return None


def _negatives(trace: Trace) -> dict[TracedTensor, TracedTensor]:
    """Return what each negative is the negative of."""
    return {call.outputs[0]: call.inputs[0] for call in trace.calls if call.op.name == "neg"}


def _forms(trace: Trace, operands: Sequence[TracedTensor]) -> Iterator[tuple[Remedy, Read]]:
    """Yield what may stand for a part of the program, and the tensors that it reads."""
    negatives = _negatives(trace)
    for x in dict.fromkeys(negatives.get(traced, traced) for traced in operands):
        yield from ((form, {"x": x}) for form in stable_forms(tuple(x.tensor.shape)))
    for x, y in itertools.permutations(operands, 2):
        yield from ((Remedy(STABLE, text, operand=None), {"x": x, "y": y}) for text in OF_TWO)


def _standing(trace: Trace, forms: Iterator[tuple[Remedy, Read]], points: Sequence[Values]) -> Iterator[Attempt]:
    """Yield forms in place of the calls whose values they have at all points, the last calls first."""
    calls = [call for call in trace.calls if len(call.outputs) == 1 and call.op.name != "exp"]
    known = [(form, read, found) for form, read in forms if (found := _values(form, read, points))]
    for call in reversed(calls):
        for form, read, found in known:
            pairs = zip(found, points, strict=True)
            if all(_is_same(value, point[call.outputs[0]]) for value, point in pairs):
                yield Attempt(call, form, read)


def _values(form: Remedy, read: Read, points: Sequence[Values]) -> list[Tensor]:
    """Return what a form comes to at each point; nothing if it does not fit its operands."""
    try:
        with torch.no_grad():
            return [value_of(form, {name: point[traced] for name, traced in read.items()}) for point in points]
    except (*REFUSALS, GradcliError):
        return []


def _is_same(found: Tensor, wanted: Tensor) -> bool:
    if found.shape != wanted.shape or found.dtype != wanted.dtype or not bool(wanted.isfinite().all()):
        return False
    tolerance = SAME if wanted.dtype is torch.float64 else float(torch.finfo(wanted.dtype).eps) * 16
    return bool(((found - wanted).abs() <= tolerance * wanted.abs().max()).all())


def _shifted(
    trace: Trace, taken: Sequence[TracedCall], operands: Sequence[TracedTensor], cotangent: Tensor | None
) -> str | None:
    """Return in words what maximum can be subtracted in each exp of one operand; None if that changes the program."""
    for x in operands:
        calls = [call for call in taken if call.inputs[0] is x]
        for offered in shifts(x.tensor.ndim):
            attempts = [Attempt(call, offered, {"x": x}) for call in calls]
            if _changes_nothing(trace, attempts, operands) and mends(trace, attempts, cotangent):
                where = shown(attempts[0]) if len(calls) == 1 else f"{shown(attempts[0])}, each time"
                return f"to fix it, {offered.reason}: write {where}"
    return None


def _changes_nothing(trace: Trace, attempts: Sequence[Attempt], operands: Sequence[TracedTensor]) -> bool:
    """Return whether the output stays the same at moderate points with calls rewritten."""
    leaves = {leaf: leaf.tensor.detach() for leaf in trace.leaves}
    try:
        for scale in MODERATE:
            point = _moderate(trace, operands, *scale)
            if point is None:
                return False
            with torch.no_grad():
                moved = run_with(trace, attempts, leaves, {traced: point[traced] for traced in operands})
            if not _is_same(moved[trace.output], point[trace.output]):
                return False
    except (*REFUSALS, GradcliError):
        return False
    return True
