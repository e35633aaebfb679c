"""Values that are not finite: which call made the first one, and which gradients rest on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gradcli.execution.interpreter import NUMBERS
from gradcli.execution.trace import Trace, Traced, TracedCall

if TYPE_CHECKING:
    from torch import Tensor


def resting_on_undefined(trace: Trace, gradients: Mapping[Traced, Tensor | None]) -> dict[Traced, str]:
    """Return, for each tensor whose gradient passes a value that a call made infinite or NaN, what made it."""
    found: dict[Traced, str] = {}
    for call in reversed(trace.calls):
        reason = next((found[output] for output in call.outputs if output in found), None) or _made(call, gradients)
        if reason is not None:
            for traced in call.inputs:
                found.setdefault(traced, reason)
    return found


def _made(call: TracedCall, gradients: Mapping[Traced, Tensor | None]) -> str | None:
    """Return a sentence if a call makes a value that is not finite from finite ones, and a gradient passes there."""
    if not _finite([call.call.positional, call.call.keywords]):
        return None
    for output in call.outputs:
        gradient = gradients.get(output)
        bad = ~output.tensor.isfinite() if output.tensor.is_floating_point() else None
        if bad is not None and gradient is not None and bool((bad & (gradient != 0)).any()):
            kind = "NaN" if bool(output.tensor.isnan().any()) else "infinite"
            return f"the value of '{output.text}' is {kind} here"
    return None


def _finite(value: object) -> bool:
    if isinstance(value, Traced):
        return bool(value.tensor.isfinite().all())
    if isinstance(value, NUMBERS):
        return value == value and value not in {float("inf"), float("-inf")}  # noqa: PLR0124 (NaN is unlike itself)
    if isinstance(value, dict):
        value = list(value.values())
    return all(_finite(item) for item in value) if isinstance(value, tuple | list) else True
