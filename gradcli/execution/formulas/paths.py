"""What a program did at a point, which may be something else at another: its calls, and the numbers that it drew."""

from __future__ import annotations

from typing import Any

from gradcli.execution.forward.trace import Trace
from gradcli.language.notebook import DRAWS, RANDOM


def path_of(trace: Trace) -> list[Any]:
    """Return what the program called, one call after the other: its branches and loops are decided."""
    return [(call.op.name, call.arguments.node.span) for call in trace.calls]


def drawn_numbers(trace: Trace) -> list[Any]:
    """Return the random numbers that a program's words have drawn: constants of its formulas."""
    calls = [call.arguments for call in trace.calls if call.op.name == "tensor"]
    return [call.bound["data"] for call in calls if call.node.function in DRAWS | RANDOM]
