"""Calls that round nothing: the larger of two numbers, a sort, an absolute value, a reshape, a difference of equals."""

from __future__ import annotations

from gradcli.execution.forward.again import Again, Key
from gradcli.execution.forward.selecting import is_exact


def exact_calls(rerun: Again) -> frozenset[Key]:
    """Return the calls of a program whose results are not rounded, whatever their operands are."""
    found = {rerun.key_of(traced): call for call in rerun.trace.calls for traced in call.outputs}
    known = {key: call for key, call in found.items() if key is not None}
    return frozenset(key for key, call in known.items() if is_exact(call))
