"""What underflow hides: next to 10^-308 doubles have few digits left, and below none, in PyTorch and in the reference.

The two agree then on what neither knows: the deviation of numbers near 10^-160, whose squares are of three digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from gradcli.execution.comparison.compare import largest_size
from gradcli.execution.comparison.other_values import with_other_values
from gradcli.execution.comparison.rounding import Point
from gradcli.execution.comparison.sizes import SizesOfEntries
from gradcli.execution.forward.dtypes import is_inexact
from gradcli.execution.forward.refusals import REFUSALS
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.reference.decomposition import DecomposedCall
from gradcli.execution.reference.last_bits import LEAST, SMALLEST_NORMAL, shaken
from gradcli.execution.reference.pullback import Reference, differentiate
from gradcli.tolerance import Tolerance

# Only beside numbers whose squares underflow.
TINY = 2.0**-500
# Entries of a tensor that is looked at beside others.
SMALL = 1 << 10
# What moves by less than this part of the largest entry is what a 0 that is none would be, so near to 0.
NEGLIGIBLE = 2.0**-60


@dataclass(frozen=True)
class Underflow:
    """A program again with other last bits of results that underflow leaves few; without slots, to keep it."""

    point: Point
    sizes: SizesOfEntries

    def hides(self, traced: TracedTensor, tolerance: Tolerance) -> bool:
        """Return whether a tensor's gradient moves with such bits, or meets a kink by them alone."""
        return self._may_hide and self._is_another(traced, tolerance)

    def _is_another(self, traced: TracedTensor, tolerance: Tolerance) -> bool:
        """Return whether the run has another gradient of a tensor, or its own of another kind."""
        known, run = self.point.reference, self._run
        if (traced in known.kinked, traced in known.by_difference_quotient) != (
            traced in run.kinked,
            traced in run.by_difference_quotient,
        ):
            return True
        value = known.values[traced]
        least = max(NEGLIGIBLE * (largest_size(value) or 1.0), SMALLEST_NORMAL)
        allowed = (tolerance.relative * value.abs()).clamp_min(least)
        return not bool(((run.values[traced] - value).abs() <= allowed).all())

    @cached_property
    def _may_hide(self) -> bool:
        """Return whether a call underflows, beside numbers, other than 0, whose squares do."""
        trace = self.point.decomposition.trace
        tensors = [traced.tensor.detach() for traced in trace.tensors if not self.sizes.of(traced)[0] >= TINY]
        return _has_tiny(tensors) and any(map(_underflows, self.point.decomposition.calls))

    @cached_property
    def _run(self) -> Reference:
        """Return the derivatives by definitions with other last bits: leaves are exact, and so is a cotangent of 0."""
        generator = torch.Generator().manual_seed(0)
        moved = with_other_values(self.point, lambda tensor: shaken(tensor, generator, LEAST))
        return differentiate(moved, self.point.cotangent, self.point.derivations.known)


def _underflows(group: DecomposedCall) -> bool:
    """Return whether larger operands show what numbers that are too small lack: those of x*x do, those of x - x not."""
    call = group.call
    parts = [node.tensor for node in group.nodes] + [traced.tensor for traced in call.outputs]
    if not any(map(_has_small, parts)) or call.gap is not None or call.inner is not None:
        return False
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            larger = call.run({traced: _larger(traced) for traced in call.inputs})
    except REFUSALS:
        return True
    return any(bool((larger[traced] != _larger(traced)).any()) for traced in call.outputs)


def _larger(traced: TracedTensor) -> Tensor:
    tensor = traced.tensor.detach()
    return tensor / TINY if is_inexact(tensor) else tensor


def _has_small(tensor: Tensor) -> bool:
    return is_inexact(tensor) and bool((tensor.abs() < SMALLEST_NORMAL).any())


def _has_tiny(tensors: Sequence[Tensor]) -> bool:
    """Return whether there is a number other than 0 whose square underflows; one of single precision is larger.

    Small tensors are looked at together: there are many, and each call of PyTorch takes longer than their entries.
    """
    found = [tensor for tensor in tensors if is_inexact(tensor) and torch.finfo(tensor.dtype).smallest_normal <= TINY]
    beside: dict[Any, list[Tensor]] = {}
    alone = []
    for tensor in found:
        if tensor.numel() <= SMALL and tensor.layout is torch.strided:
            beside.setdefault((tensor.dtype, tensor.device), []).append(tensor.reshape(-1))
        else:
            alone.append(tensor)
    return any(_is_tiny(sizes.abs()) for sizes in (*map(torch.cat, beside.values()), *alone))


def _is_tiny(sizes: Tensor) -> bool:
    """Return whether one of some sizes is tiny, and not 0; a NaN is no size."""
    if not sizes.numel():
        return False
    least = float(sizes.amin())
    if least == 0.0:
        least = float(sizes.masked_fill(sizes == 0, math.inf).amin())
    return bool(((sizes < TINY) & (sizes != 0)).any()) if math.isnan(least) else least < TINY
