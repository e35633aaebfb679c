"""What the results of running code's calls are called where no variable holds them: the call, as it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradcli.execution.forward.call_kinds import CONVERSIONS
from gradcli.execution.forward.calls import BoundCall, MadeCall, as_method, text_of
from gradcli.execution.forward.trace import TracedTensor
from gradcli.ops.record import Op


def text_of_call(call: MadeCall, entered: tuple[Op, BoundCall] | None, given: Mapping[int, TracedTensor]) -> str:
    """Return a call of code as it is written, if that is short; `entered` is what it is in the table."""
    if entered is None:
        return f"{call.shown}(...)"
    if call.short not in CONVERSIONS:
        return text_of(*entered)

    def operand(value: Any) -> Any:
        return given.get(id(value), value)

    first, *others = map(operand, call.args)
    return as_method(call.shown, first, others, {name: operand(value) for name, value in call.keywords.items()})
