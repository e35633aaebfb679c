"""Max pools on a circuit: the largest entry of each window, its place, and what is added there on the way back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.kernels import windows
from gradcli.execution.proof.circuit import Circuit, Entries
from gradcli.execution.proof.machine import CircuitMachine
from gradcli.execution.proof.rows import added_at, largest

# Pools by the name of the call, with the number of axes that they look at.
POOLS = {"max_pool2d_with_indices": 2, "max_pool3d_with_indices": 3}
ADAPTIVE = {"adaptive_max_pool2d": 2, "adaptive_max_pool3d": 3}
# Kernels of the way back that PyTorch has no decomposition of: the operands are first the gradient, then the image.
BACKWARD = {f"{name}_backward": count for name, count in (POOLS | ADAPTIVE).items()}
NAMES = frozenset({*POOLS, *ADAPTIVE, *BACKWARD})


def run(machine: CircuitMachine, name: str, *given: Any) -> Any:
    """Return the result of a pool, or of its way back."""
    if name in BACKWARD:
        return _unpooled(machine, name, *map(machine.entries, given))
    return _pooled(machine.circuit, name, *given)


def _pooled(circuit: Circuit, name: str, image: Entries, *given: Any) -> tuple[Entries, Entries]:
    """Return the largest entry of each window, and its number in the image: of several that tie, the first."""
    count = POOLS.get(name) or ADAPTIVE[name]
    shape = image.shape[-count:]
    numbers = torch.arange(math.prod(shape), dtype=torch.float64).reshape(shape)
    codes, labels = (_windows(name, tensor, count, given) for tensor in (image.codes, numbers))
    rows = zip(codes.reshape(-1, codes.shape[-1]), _rows(labels, codes.shape), strict=True)
    found = [largest(circuit, "gt", circuit.decoded(row), own.tolist()) for row, own in rows]
    values, places = (Circuit.codes(nodes, codes.shape[:-1]) for nodes in zip(*found, strict=True))
    return Entries(values), Entries(places)


def _windows(name: str, tensor: Tensor, count: int, given: Sequence[Any]) -> Tensor:
    if name in ADAPTIVE:
        return windows.adaptive_windows(tensor, count, *given)
    options: tuple[Any, ...] = (*given, *(None, 0, 1, False)[len(given) - 1 :])
    size, stride, padding, dilation, ceil_mode = options
    return windows.pool_windows(tensor, count, size, stride, padding, dilation, bool(ceil_mode), -math.inf)


def _rows(labels: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the numbers of each window's entries, for every image."""
    return labels.nan_to_num(neginf=-1.0).long().expand(shape).reshape(-1, shape[-1])


def _unpooled(machine: CircuitMachine, name: str, gradient: Entries, image: Entries, *rest: Any) -> Entries:
    """Return a pool's gradient by the image: the gradient of each window is added where its largest entry stands."""
    machine.by_hand.add(name)
    count, places = BACKWARD[name], rest[-1]
    shape = (*image.shape[:-count], math.prod(image.shape[-count:]))
    zeros = machine.entries(torch.zeros(shape, dtype=torch.float64))
    flat = [Entries(part.codes.flatten(-count)) for part in (places, gradient)]
    added = added_at(machine.circuit, zeros, -1, *flat)
    return Entries(added.codes.reshape(image.shape))
