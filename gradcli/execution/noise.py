"""Rounding noise: how far a gradient may be off because double precision cannot do better at this point.

The reference is evaluated again with the last bits of every intermediate value changed. Where cancellation has eaten
the digits of a gradient (a softmax's gradient that is exactly zero, 1 - tanh(x)² at x = 10), it scatters, and
autograd's value is as good as any of these. This is the idea of stochastic arithmetic (Vignes 1993, CADNA).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor

from gradcli.derivation.client import DERIVATIONS
from gradcli.execution.reference import Expansion, Reference, differentiate, expand
from gradcli.execution.trace import Trace, Traced

Key = TypeVar("Key")

RUNS = 6
# Relative size of the steps: a few units in the last place.
STEP = 4 * torch.finfo(torch.float64).eps
# How many times the scatter counts as noise, and the most that noise may be, relative to the largest adjoint.
WIDTH = 64.0
CEILING = 1e-10


def rounding_noise(trace: Trace, reference: Reference, cotangent: Tensor) -> dict[Traced, Tensor]:
    """Return, for every tensor with a symbolic gradient, how far rounding alone may move each of its entries."""

    def gradients(expansion: Expansion) -> Mapping[Traced, Tensor]:
        return differentiate(expansion, cotangent, DERIVATIONS.known).values

    return scattered(trace, reference.values, gradients)


def scattered(
    trace: Trace, known: Mapping[Key, Tensor], again: Callable[[Expansion], Mapping[Key, Tensor]]
) -> dict[Key, Tensor]:
    """Return how far rounding alone may move each entry of some tensors.

    They are found `again` from the trace with other last bits; what is `known` of them also says how large they are.
    """
    generator = torch.Generator().manual_seed(0)
    scatter = {key: torch.zeros_like(value) for key, value in known.items()}
    for _ in range(RUNS):
        for key, value in again(_shaken(trace, generator)).items():
            if key in scatter and value.shape == scatter[key].shape:
                scatter[key] = torch.maximum(scatter[key], (value - known[key]).abs())
    most = ceiling(known)
    return {key: (WIDTH * spread).nan_to_num(nan=0.0).clamp(max=most) for key, spread in scatter.items()}


def ceiling(known: Mapping[Key, Tensor]) -> float:
    """Return the most that rounding noise may excuse in any entry: an error beyond it needs no second evaluation."""
    return CEILING * max((_largest(value) for value in known.values()), default=0.0)


def _shaken(trace: Trace, generator: torch.Generator) -> Expansion:
    def shake(tensor: Tensor) -> Tensor:
        steps = torch.rand(tensor.shape, generator=generator, dtype=torch.float64) * 2 - 1
        return tensor * (1 + STEP * steps) if tensor.is_floating_point() else tensor

    expansion = expand(trace, shake)
    DERIVATIONS.request(expansion.signatures())
    return expansion


def _largest(value: Tensor) -> float:
    finite = value[value.isfinite()].abs()
    return float(finite.max()) if finite.numel() else 0.0
