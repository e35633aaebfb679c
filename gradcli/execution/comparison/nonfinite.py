"""Which call made the first NaN or infinity, of what, and what fixes it: in words, with the numbers at one entry."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from gradcli.execution.autograd.local_call import LocalCall
from gradcli.execution.comparison.local_jumps import jumping_operands
from gradcli.execution.comparison.mending import branch_remedy, called, remedy
from gradcli.execution.comparison.stable_forms import stable_form
from gradcli.execution.forward import tree
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.finite import all_finite
from gradcli.execution.forward.indices import show_index
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor, replaced
from gradcli.execution.reference.layout import broadcast
from gradcli.execution.reference.tape import Tape, condition
from gradcli.ops.record import Kind
from gradcli.ops.signature import defaults
from gradcli.report.notes import Note, NoteKind, Notes, noted

# Why the gradients of some tensors are what they are.
Reason = TypeVar("Reason")


@dataclass(frozen=True, slots=True)
class Spot:
    """The place at which a call makes a NaN: the operand, the index in the result, cotangent and local derivative."""

    call: TracedCall
    traced: TracedTensor
    index: tuple[int, ...] | None = None
    cotangent: float | None = None
    factor: float | None = None


def value_made(
    trace: Trace, call: TracedCall, output: TracedTensor, mask: Tensor, cotangent: Tensor | None = None
) -> Notes:
    """Return notes on a call whose value is NaN or infinite where `mask` holds and a gradient passes."""
    index = tuple(mask.nonzero()[0].tolist())
    what = "NaN" if bool(output.tensor.detach()[index].isnan()) else "infinite"
    operands = [(traced, _at(traced.tensor, output.tensor.shape, index)) for traced in call.inputs]
    known = ", ".join(f"{called(traced)} = {number:.6g}" for traced, number in operands if number is not None)
    text = f"the value of '{output.text}' is {what} here{show_index(index)}" + (f", for {known}" if known else "")
    source = _origin(trace, call)
    first = () if source is call else (_undefined(source, "the first that is not finite is '{}'"),)
    return (Note(NoteKind.UNDEFINED, text, output.text), *first, *_remedy(trace, (source, call), cotangent))


def gradient_made(trace: Trace, gradients: Mapping[TracedTensor, Tensor | None]) -> Notes:
    """Return notes on the call in which PyTorch's gradients become NaN; none if there is no such call."""
    spot = _first(trace, gradients, torch.isnan)
    if spot is None:
        return ()
    text = "the derivative of '{}' makes the first NaN"
    cotangent = gradients.get(trace.output)
    if spot.cotangent is None or spot.factor is None or spot.index is None:
        return _undefined(spot.call, text), *_remedy(trace, [spot.call], cotangent)
    text += f"{show_index(spot.index)}: upstream gradient {spot.cotangent:g} * local derivative {spot.factor:g} is NaN"
    branch = _inactive_branch(trace, spot, cotangent) if spot.cotangent == 0 else ()
    if branch:
        return _undefined(spot.call, text), *branch
    source = _first(trace, gradients, torch.isinf) if math.isinf(spot.cotangent) else None
    if source is None or source.call is spot.call:
        return _undefined(spot.call, text), *_remedy(trace, [spot.call], cotangent)
    infinity = _undefined(source.call, "the infinity comes from the derivative of '{}'")
    return _undefined(spot.call, text), infinity, *_remedy(trace, (source.call, spot.call), cotangent)


def infinity_made(trace: Trace, gradients: Mapping[TracedTensor, Tensor | None]) -> Notes:
    """Return notes on the call in which PyTorch's gradients become infinite; none if there is no such call."""
    spot = _first(trace, gradients, torch.isinf)
    if spot is None:
        return ()
    infinity = _undefined(spot.call, "the derivative of '{}' is infinite here")
    return infinity, *_remedy(trace, [spot.call], gradients.get(trace.output))


def _undefined(call: TracedCall, words: str) -> Note:
    """Return a note on a call, whose text takes the place of the braces."""
    text = call.outputs[0].text
    return Note(NoteKind.UNDEFINED, words.format(text), text)


def _remedy(trace: Trace, calls: Sequence[TracedCall], cotangent: Tensor | None) -> Notes:
    """Return a note on what fixes the gradients: a stable form, or the first of some calls for which something does."""
    words = stable_form(trace, cotangent)
    if words is not None:
        return noted(NoteKind.REMEDY, words, calls[0].outputs[0].text)
    for call in calls:
        words = remedy(trace, call, cotangent)
        if words is not None:
            return noted(NoteKind.REMEDY, words, call.outputs[0].text)
    return ()


def _first(
    trace: Trace, gradients: Mapping[TracedTensor, Tensor | None], bad: Callable[[Tensor], Tensor]
) -> Spot | None:
    """Return where, from the output back, a contribution first is bad though no cotangent is."""
    for call in reversed(trace.calls):
        cotangents = [gradients.get(output) for output in call.outputs]
        known = [cotangent for cotangent in cotangents if cotangent is not None]
        if call.gap is not None or not known or any(bool(bad(cotangent).any()) for cotangent in known):
            continue
        wanted = [t for t in call.inputs if (found := gradients.get(t)) is not None and bool(bad(found).any())]
        local = LocalCall(call, {traced: traced.tensor.detach() for traced in call.inputs}, cotangents)
        for traced, found in zip(wanted, local.autograd(wanted), strict=True):
            if bool(bad(found).any()):
                return _spot(local, traced, bad)
    return None


def _spot(local: LocalCall, traced: TracedTensor, bad: Callable[[Tensor], Tensor]) -> Spot:
    """Return the place in a call, with the numbers there where the call is elementwise."""
    (cotangent, *others) = local.cotangents
    tensors = [*local.tensors.values(), *local.cotangents]
    is_complex = any(tensor is not None and tensor.is_complex() for tensor in tensors)
    if local.call.op.kind is not Kind.POINTWISE or cotangent is None or others or is_complex:
        return Spot(local.call, traced)
    factor = local.factor(traced, cotangent.shape)
    places = bad(cotangent * factor).nonzero()
    if not len(places):
        return Spot(local.call, traced)
    index = tuple(places[0].tolist())
    return Spot(local.call, traced, index, _number(cotangent, index), _number(factor, index))


def _inactive_branch(trace: Trace, spot: Spot, cotangent: Tensor | None) -> Notes:
    """Return the remedy where a `where` further on sends 0 to the branch that holds the call's result."""
    reached = set(spot.call.outputs)
    for call in trace.calls:
        if reached.isdisjoint(call.inputs):
            continue
        if call.op.name == "where" and "condition" in call.arguments.bound:
            condition = call.arguments.bound["condition"]
            known = isinstance(condition, TracedTensor)
            words = branch_remedy(trace, spot.call, condition, cotangent) if known else None
            what = "`where` sends 0 to the branch that is not taken"
            return noted(NoteKind.REMEDY, what if words is None else f"{what}; {words}", call.outputs[0].text)
        reached.update(call.outputs)
    return ()


def _origin(trace: Trace, call: TracedCall) -> TracedCall:
    """Return the call that made the first value that is not finite, of those that a call's operands depend on."""
    for before in trace.calls:
        bad = any(not all_finite(output.tensor) for output in before.outputs if output in call.inputs)
        if bad and before is not call:
            return _origin(trace, before)
    return call


def _at(tensor: Tensor, shape: torch.Size, index: tuple[int, ...]) -> float | None:
    """Return the entry of an operand that broadcasts to the result's entry, or None if it is not that simple."""
    if tensor.is_complex() or broadcast([tuple(tensor.shape), tuple(shape)]) != tuple(shape):
        return None
    try:
        return _number(tensor.expand(shape), index)
    except RuntimeError:
        return None


def _number(tensor: Tensor, index: tuple[int, ...]) -> float:
    return float(tensor.detach()[index])


def resting_on_nonfinite(trace: Trace, gradients: Mapping[TracedTensor, Tensor | None]) -> dict[TracedTensor, Notes]:
    """Return, for each tensor whose gradient passes a value that a call made infinite or NaN, what made it."""
    return resting(trace, lambda call: (_made(trace, call, gradients), call.inputs))


def resting_on_jumps(
    trace: Trace, gradients: Mapping[TracedTensor, Tensor | None], lost: frozenset[TracedTensor] = frozenset()
) -> dict[TracedTensor, Notes]:
    """Return, for each tensor whose gradient passes a value that jumps, where that is.

    It would pass the jumps of results that are `lost`, were it not for rounding.
    """

    def jumps(call: TracedCall) -> tuple[Notes, Iterable[TracedTensor]]:
        notes = _jump(call, gradients) if lost.isdisjoint(call.outputs) else _jumps(call.outputs[0])
        return notes, jumping_operands(call) if notes else ()

    return resting(trace, jumps)


def resting(
    trace: Trace, reason_at: Callable[[TracedCall], tuple[Reason | None, Iterable[TracedTensor]]]
) -> dict[TracedTensor, Reason]:
    """Return reasons by the tensors they hold for: some operands of the call with the reason, and all before them."""
    found: dict[TracedTensor, Reason] = {}
    for call in reversed(trace.calls):
        further = next((found[output] for output in call.outputs if output in found), None)
        reason, operands = (further, call.inputs) if further else reason_at(call)
        if reason:
            found.update((traced, reason) for traced in operands if traced not in found)
    return found


def _made(trace: Trace, call: TracedCall, gradients: Mapping[TracedTensor, Tensor | None]) -> Notes:
    """Return notes if a call makes NaN or infinity of arguments that are none, and a gradient passes."""
    for output in call.outputs:
        gradient = gradients.get(output)
        if gradient is None or not (output.tensor.is_floating_point() or output.tensor.is_complex()):
            continue
        if all_finite(output.tensor):
            continue
        reached = gradient != 0
        nan, infinite = output.tensor.isnan() & reached, output.tensor.isinf() & reached
        if _any(nan) and not any(_any(argument.isnan()) for argument in numbers_in(call)):
            return value_made(trace, call, output, nan, gradients.get(trace.output))
        if _any(infinite) and all(all_finite(argument) for argument in numbers_in(call)):
            return value_made(trace, call, output, infinite, gradients.get(trace.output))
    return ()


def _jump(call: TracedCall, gradients: Mapping[TracedTensor, Tensor | None]) -> Notes:
    """Return a note if a call is where its op says that the value may jump, and a gradient passes."""
    if call.discontinuities is None:
        return ()
    for output in call.outputs:
        gradient = gradients.get(output)
        if gradient is not None and _any(gradient != 0) and _any(discontinuities(call) & (gradient != 0)):
            return _jumps(output)
    return ()


def _jumps(output: TracedTensor) -> Notes:
    return noted(NoteKind.UNDEFINED, f"the value of '{output.text}' jumps here, so it has no derivative", output.text)


def has_jump(trace: Trace) -> bool:
    """Return whether an op of a program is where it says that its value may jump."""
    return any(map(at_jump, trace.calls))


def at_jump(call: TracedCall) -> bool:
    """Return whether a call is where its op says that its value may jump."""
    if call.discontinuities is None or any(traced.tensor.numel() == 0 for traced in call.inputs):
        return False
    return _any(discontinuities(call))


def discontinuities(call: TracedCall) -> Tensor:
    """Return where the value of a call may jump, by what its op says of it."""
    tape = Tape()
    bound = replaced(call.arguments.bound, lambda traced: tape.enter(double(traced.tensor), differentiable=False))
    return condition(call.discontinuities, {**defaults(call.op.signature), **bound})


def _any(mask: Tensor) -> bool:
    return bool(mask.any())


def numbers_in(call: TracedCall) -> Iterator[Tensor]:
    """Yield the numbers and tensors among a call's arguments as tensors."""
    for leaf in tree.leaves([call.arguments.positional, call.arguments.keywords]):
        if isinstance(leaf, TracedTensor):
            yield leaf.tensor
        elif isinstance(leaf, float | complex):
            yield torch.tensor(leaf, dtype=torch.complex128)
