"""Gradients that a program or code asks for, to compute with them: as calls, and once more at other values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.forward.machine import BoundCall
from gradcli.execution.forward.trace import InnerGradient, TracedCall, TracedTensor, traced_in
from gradcli.language.program import Call
from gradcli.ops.record import Kind, Op

AS_ASKED = "a gradient that the code itself asks for is not computed again by itself"
OP = Op("grad(*inputs)", "torch.clone", Kind.CONSTANT, AS_ASKED, "code")


def call_of(inner: InnerGradient, node: Call, result: Sequence[TracedTensor]) -> TracedCall:
    """Return a gradient as the call that made it."""
    upstream = [traced for traced in inner.upstream if traced is not None]
    given = list(dict.fromkeys([*inner.outputs, *inner.inputs, *upstream]))
    return TracedCall(OP, BoundCall(node, given, {}, {"inputs": given}), tuple(result), gap=AS_ASKED, inner=inner)


def between(asking: TracedCall, calls: Sequence[TracedCall]) -> set[TracedTensor]:
    """Return what lies between what a gradient inside of the code is of, and what it is with respect to.

    How much of a second derivative arrives there is a matter of taste: some if a backward reads the results of its
    call, as that of tanh does, and else all of it at the operands. At the leaves it is the same.
    """
    if asking.inner is None:
        return set()
    inputs = set(asking.inner.inputs)
    behind, after = set(asking.inner.outputs), set[TracedTensor]()
    for call in reversed(calls):
        behind.update(call.inputs if behind.intersection(call.outputs) else ())
    for call in calls:
        is_after = not (after.isdisjoint(call.inputs) and inputs.isdisjoint(call.inputs))
        after.update(call.outputs if is_after else ())
    return behind.intersection(after)


def gradients(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], upstream: Sequence[Tensor | None], *, allow_unused: bool
) -> Sequence[Tensor | None]:
    """Return what `torch.autograd.grad` gives, with a graph of its own."""
    found: Sequence[Tensor | None] = torch.autograd.grad(
        list(outputs), list(inputs), list(upstream), create_graph=True, allow_unused=allow_unused
    )
    return found


def again(calls: Sequence[TracedCall], inner: InnerGradient) -> list[Tensor]:
    """Return gradients of values that have no graph: the calls behind them are run again, under autograd."""
    known: dict[TracedTensor, Tensor] = {}
    starts = {*inner.inputs, *(start for call in calls if call.inner is not None for start in call.inner.inputs)}

    def value(traced: TracedTensor) -> Tensor:
        if traced in starts and traced not in known:
            known[traced] = traced.tensor.detach().requires_grad_()
        return known.get(traced, traced.tensor)

    with torch.enable_grad():
        for call in calls:
            if starts.isdisjoint(call.inputs) and known.keys().isdisjoint(call.inputs):
                continue
            if call.inner is None:
                known |= {traced: new for traced, new in call.run({t: value(t) for t in call.inputs}).items()
                          if traced not in call.inputs}  # fmt: skip
            else:
                known |= dict(zip(traced_in(call.result), _given(call.inner, value), strict=True))
        return [found.detach() for found in _given(inner, value)]


def _given(inner: InnerGradient, value: Any) -> list[Tensor]:
    """Return the gradients; 0 where there is none."""
    inputs, outputs = [value(traced) for traced in inner.inputs], [value(traced) for traced in inner.outputs]
    upstream = [
        torch.ones_like(output) if traced is None else value(traced)
        for output, traced in zip(outputs, inner.upstream, strict=True)
    ]
    pairs = [(output, of) for output, of in zip(outputs, upstream, strict=True) if output.requires_grad]
    if not pairs:
        return [torch.zeros_like(tensor) for tensor in inputs]
    found = gradients([output for output, _ in pairs], inputs, [of for _, of in pairs], allow_unused=True)
    return [torch.zeros_like(tensor) if one is None else one for tensor, one in zip(inputs, found, strict=True)]
