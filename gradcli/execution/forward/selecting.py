"""Calls that round nothing: the larger of two numbers, a sort, an absolute value, a reshape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from gradcli.execution.forward import tree
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor
from gradcli.ops.record import Kind
from gradcli.ops.signature import defaults

# Calls on more entries are taken to round.
MOST_ENTRIES = 1 << 16


def exact_results(trace: Trace) -> frozenset[TracedTensor]:
    """Return the results of the calls that round nothing, whatever their operands are."""
    return frozenset(traced for call in filter(is_exact, trace.calls) for traced in call.outputs)


def is_exact(call: TracedCall) -> bool:
    """Return whether a call rounds nothing: step functions and what selects."""
    known = call.gap is None and call.inner is None
    return known and (call.op.kind is Kind.CONSTANT or selects(call))


def selects(call: TracedCall) -> bool:
    """Return whether a call gives back no other numbers than its operands', their negatives, its constants and 0.

    It is run on random operands: at its own a rounded result may be equal to an operand, as 1e17 + 1 is. They have the
    signs of its own, by which an op may give back one of its operands here and not there, as leaky_relu does.
    """
    generator = torch.Generator().manual_seed(0)
    if sum(traced.tensor.numel() for traced in (*call.inputs, *call.outputs)) > MOST_ENTRIES:
        return False
    values = {traced: _random(traced.tensor, generator) for traced in call.inputs}
    known = _sizes([*values.values(), *_written(call), torch.zeros(1)])
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            results = call.run({traced: value.clone() for traced, value in values.items()})
    except Exception:  # noqa: BLE001 (whatever PyTorch refuses random operands with)
        return False
    made = [results[traced] for traced in call.outputs if results[traced].is_floating_point()]
    return bool(torch.isin(_sizes(made), known).all())


def _written(call: TracedCall) -> Iterator[Tensor]:
    """Yield the numbers among a call's arguments, be they not written."""
    for leaf in tree.leaves([{**defaults(call.op.signature), **call.arguments.bound}]):
        if isinstance(leaf, int | float):
            yield torch.tensor(float(leaf), dtype=torch.float64)


def _random(tensor: Tensor, generator: torch.Generator) -> Tensor:
    """Return random numbers of a tensor's shape and signs, for 0 of any; truth values and integers as they are."""
    if tensor.is_complex() or not tensor.is_floating_point():
        return tensor.detach()
    drawn = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
    sign = tensor.detach().sign().nan_to_num(0.0)
    return torch.where(sign == 0, drawn, drawn.abs() * sign)


def _sizes(tensors: Iterable[Tensor]) -> Tensor:
    """Return the absolute values of all entries."""
    parts = [tensor.detach().abs().reshape(-1).to(torch.float64) for tensor in tensors if tensor.dtype != torch.bool]
    return torch.cat([torch.zeros(0, dtype=torch.float64), *parts])
