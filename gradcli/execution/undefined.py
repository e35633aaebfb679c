"""Values that are not finite: which call made the first one, and which gradients rest on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from torch import Tensor

from gradcli.execution.explain import value_made
from gradcli.execution.finite import all_finite
from gradcli.execution.reference import double
from gradcli.execution.tape import Tape, condition, defaults
from gradcli.execution.trace import Trace, Traced, TracedCall, replaced


def resting_on_undefined(trace: Trace, gradients: Mapping[Traced, Tensor | None]) -> dict[Traced, str]:
    """Return, for each tensor whose gradient passes a value that a call made infinite or NaN, what made it."""
    found: dict[Traced, str] = {}
    for call in reversed(trace.calls):
        further = next((found[output] for output in call.outputs if output in found), None)
        reason = further or _made(trace, call, gradients)
        if reason is not None:
            for traced in call.inputs:
                found.setdefault(traced, reason)
    return found


def _made(trace: Trace, call: TracedCall, gradients: Mapping[Traced, Tensor | None]) -> str | None:
    """Return a sentence if a call makes NaN, infinity or a jump of arguments that are none, and a gradient passes."""
    arguments = [call.call.positional, call.call.keywords]
    for output in call.outputs:
        gradient = gradients.get(output)
        if gradient is None or not (output.tensor.is_floating_point() or output.tensor.is_complex()):
            continue
        finite = all_finite(output.tensor)
        if finite and call.op.jumps is None:
            continue
        reached = gradient != 0
        if not finite and _any(output.tensor.isnan() & reached) and not _holds(arguments, math.isnan, "isnan"):
            return value_made(trace, call, output, output.tensor.isnan() & reached)
        if not finite and _any(output.tensor.isinf() & reached) and not _holds(arguments, _is_infinite, "isinf"):
            return value_made(trace, call, output, output.tensor.isinf() & reached)
        if call.op.jumps is not None and _any(reached) and _any(_jumps(call) & reached):
            return f"the value of '{output.text}' jumps here, so it has no derivative"
    return None


def _jumps(call: TracedCall) -> Tensor:
    tape = Tape()
    bound = replaced(call.call.bound, lambda traced: tape.enter(double(traced.tensor), differentiable=False))
    return condition(call.op.jumps, {**defaults(call.op.signature), **bound})


def _any(mask: Tensor) -> bool:
    return bool(mask.any())


def _is_infinite(value: float) -> bool:
    return math.isinf(value) or math.isnan(value)


def _holds(value: object, number: Callable[[float], bool], method: str) -> bool:
    """Return whether some number or some entry of a tensor among nested arguments has a property."""
    if isinstance(value, Traced):
        tensor = value.tensor
        return _any(getattr(tensor, method)()) or (method == "isinf" and _any(tensor.isnan()))
    if isinstance(value, complex):
        return number(value.real) or number(value.imag)
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, dict):
        value = list(value.values())
    return any(_holds(item, number, method) for item in value) if isinstance(value, tuple | list) else False
