"""A call run again, where some of its operands are detached: constants to autograd, though their values change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.forward import tree
from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.trace import TracedCall, TracedTensor, invocation, traced_in
from gradcli.ops.record import Op


@dataclass(slots=True, eq=False)
class Detached(TracedTensor):
    """A tensor that rests on a detached one: `tensor` takes that for constant, `actual` does not."""

    actual: Tensor = field(kw_only=True)


def with_value(traced: TracedTensor, value: Tensor) -> TracedTensor:
    """Return a traced tensor with another value."""
    if isinstance(traced, Detached):
        return Detached(value, traced.name, traced.text, actual=traced.actual)
    return TracedTensor(value, traced.name, traced.text)


def run_again(op: Op, call: BoundCall, before: TracedCall | None) -> Any:
    """Return the results of a call; those that rest on a detached tensor twice: as a constant, and as it is."""
    given = list(dict.fromkeys(traced_in([call.positional, call.keywords])))
    result = _invoked(op, call, _moved_symmetrically(op, call, before, given, lambda traced: traced.tensor))
    if not any(isinstance(traced, Detached) for traced in given):
        return _wrapped(result, given)
    return _paired(result, _invoked(op, call, _moved_symmetrically(op, call, before, given, actual_tensor)))


def _invoked(op: Op, call: BoundCall, values: Mapping[TracedTensor, Tensor]) -> Any:
    result = invocation(op, call, values.__getitem__)()
    return tuple(result) if isinstance(result, torch.Size) else result


def _moved_symmetrically(
    op: Op,
    call: BoundCall,
    before: TracedCall | None,
    given: Sequence[TracedTensor],
    value: Callable[[TracedTensor], Tensor],
) -> dict[TracedTensor, Tensor]:
    """Return values with what changed of a symmetric operand made symmetric: PyTorch may read only one triangle."""
    values = {traced: value(traced) for traced in given}
    for name in op.symmetric if before is not None else ():
        now, start = call.bound.get(name), before.arguments.bound.get(name) if before is not None else None
        if isinstance(now, TracedTensor) and isinstance(start, TracedTensor) and now is not start:
            move = values[now] - start.tensor
            values[now] = start.tensor + (move + move.mH) / 2
    return values


def detached_again(call: BoundCall, before: TracedCall) -> Any:
    """Return what a detached tensor goes on as: the value it had, and the one that it has."""
    (given,) = traced_in([call.positional, call.keywords])
    kept = before.result
    return Detached(kept.tensor, kept.name, kept.text, actual=actual_tensor(given).detach())


def _wrapped(result: Any, given: Sequence[TracedTensor]) -> Any:
    """Return a result as traced values; `conj` of a real tensor, say, is the very tensor that it was given."""

    def wrapped(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        same = next((traced for traced in given if traced.tensor is leaf), None)
        return TracedTensor(leaf, None, "") if same is None else same

    return tree.map(wrapped, result)


def _paired(constant: Any, actual: Any) -> Any:
    """Return a result that rests on a detached tensor; a truth value or an integer is the actual one."""

    def paired(constant: Any, actual: Any) -> Any:
        if not isinstance(constant, Tensor):
            return actual
        if constant.is_floating_point() or constant.is_complex():
            return Detached(constant, None, "", actual=actual)
        return TracedTensor(actual, None, "")

    return tree.map(paired, constant, actual)


def actual_tensor(traced: TracedTensor) -> Tensor:
    """Return the value that a tensor has now, which a detached one does not go on with."""
    return traced.actual if isinstance(traced, Detached) else traced.tensor
