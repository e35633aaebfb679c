"""Rounding noise: how far a gradient may be off because double precision cannot do better at this point.

The reference is evaluated again with the last bits of every intermediate value changed. Where cancellation has eaten
the digits of a gradient (a softmax's gradient that is exactly zero, 1 - tanh(x)² at x = 10), it scatters, and
autograd's value is as good as any of these. This is the idea of stochastic arithmetic (Vignes 1993, CADNA).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.reference.adjoints import UndecidedError
from gradcli.execution.reference.decomposition import Decomposition, decompose
from gradcli.execution.reference.pullback import Reference, differentiate

Key = TypeVar("Key")

RUNS = 6
# Relative size of the steps: a few units in the last place.
STEP = 4 * torch.finfo(torch.float64).eps
# In a lower dtype every result is rounded by half a unit: its steps, in units, and how many times their scatter counts.
LOWER_STEP, LOWER_WIDTH = 0.5, 4.0
# How many times the dtype's relative tolerance that may excuse, relative to the largest adjoint.
LOWER_CEILING = 16.0
# How many times the scatter counts as noise, and the most that it excuses, relative to the largest adjoint.
WIDTH = 64.0
CEILING = 1e-10
# How many times the scatter counts where it is larger than that, so that nothing is decided within it.
UNKNOWN_WIDTH = 16.0
# Runs agree that are closer than this, relative to how far the farthest is from the reference.
SAME = 1e-3


@dataclass(frozen=True, slots=True)
class Noise(Generic[Key]):
    """How far derivatives scatter when the last bits of what they are computed from change."""

    values: Mapping[Key, Tensor]
    """The derivatives at their point."""
    perturbed: Mapping[Key, Tensor]
    """The derivatives again in each perturbed run: (RUNS, *shape)."""
    ceiling: float
    """The most that is excused."""
    width: float = WIDTH
    """How many times the scatter counts."""

    def rounding_error(self, key: Key) -> Tensor:
        """Return how far from the reference each entry may be and still agree with it."""
        return (self.width * self._scatter(key)).clamp(max=self.ceiling)

    def condition_error(self, key: Key) -> Tensor:
        """Return how far from the reference each entry may truly be, as far as double precision can tell.

        An entry that jumps between a few values is not ill-conditioned: it is next to a discontinuity, on the side
        that its definition says. Where it is ill-conditioned, hardly two runs agree.
        """
        away = (self.perturbed[key] - self.values[key]).abs().sort(dim=0).values
        different = (away.diff(dim=0) > SAME * away[-1]).sum(dim=0) + 1
        return torch.where(different >= RUNS - 1, UNKNOWN_WIDTH * self._scatter(key), 0.0)

    def _scatter(self, key: Key) -> Tensor:
        return (self.perturbed[key] - self.values[key]).abs().amax(dim=0).nan_to_num(nan=0.0)


@dataclass(frozen=True, slots=True)
class Lower:
    """A dtype lower than double precision, and its relative tolerance."""

    dtype: torch.dtype
    relative: float


def _perturb(tensor: Tensor, generator: torch.Generator, size: float = STEP) -> Tensor:
    if tensor.is_complex():
        return torch.view_as_complex(_perturb(torch.view_as_real(tensor.resolve_conj()), generator, size))
    steps = torch.rand(tensor.shape, generator=generator, dtype=torch.float64) * 2 - 1
    return tensor * (1 + size * steps) if tensor.is_floating_point() else tensor


def _perturbed(trace: Trace, generator: torch.Generator) -> Decomposition:
    """Return the trace's definitions with other last bits of every value."""
    return decompose(trace, lambda tensor: _perturb(tensor, generator))


def _moved(trace: Trace, generator: torch.Generator) -> Decomposition:
    """Return the trace's definitions with other last bits of the leaves."""
    return decompose(trace, moved={leaf: _perturb(double(leaf.tensor), generator) for leaf in trace.leaves})


def rounding_noise(
    trace: Trace, reference: Reference, cotangent: Tensor, derivations: Derivations
) -> Noise[TracedTensor]:
    """Return, for every tensor with a symbolic gradient, how far rounding by itself may move each of its entries."""
    return scattered(trace, derivations, reference.values, _gradients(cotangent, derivations))


def lower_rounding_noise(
    trace: Trace, reference: Reference, cotangent: Tensor, derivations: Derivations, relative: float
) -> Noise[TracedTensor]:
    """Return how far the rounding of a lower dtype may move each entry; `relative` is the tolerance of that dtype.

    The upstream gradient is of that dtype. A sum that cancels keeps the rounding of its terms, whatever it comes to.
    """
    lower = Lower(cotangent.dtype, relative)
    return scattered_by(lower, trace, derivations, reference.values, _gradients(cotangent, derivations))


def conditioning(
    trace: Trace, reference: Reference, cotangent: Tensor, derivations: Derivations
) -> Noise[TracedTensor]:
    """Return how far each entry moves with only the last bits of the leaves: no stable algorithm does better.

    What happens inside of a definition is left out: an algorithm that loses digits there is to blame for it.
    """
    return scattered(trace, derivations, reference.values, _gradients(cotangent, derivations), perturbed=_moved)


def derivatives_at_own_values(
    trace: Trace, cotangent: Tensor, derivations: Derivations
) -> Mapping[TracedTensor, Tensor]:
    """Return the derivative by every tensor, with each op at the values that PyTorch found for its operands.

    The reference has each op at the definitions' values, which are the same but for rounding.
    """
    return found_at_own_values(trace, derivations, _gradients(cotangent, derivations))


def found_at_own_values(
    trace: Trace, derivations: Derivations, again: Callable[[Decomposition], Mapping[Key, Tensor]]
) -> Mapping[Key, Tensor]:
    """Return what is found `again` where each op is at the values that PyTorch found for its operands, if anything."""
    decomposition = decompose(trace, own=True)
    derivations.request(decomposition.requests())
    try:
        return again(decomposition)
    except UndecidedError:  # they tie where the definitions' do not
        return {}


def _gradients(cotangent: Tensor, derivations: Derivations) -> Callable[[Decomposition], Mapping[TracedTensor, Tensor]]:
    return lambda decomposition: differentiate(decomposition, cotangent, derivations.known).values


def scattered(
    trace: Trace,
    derivations: Derivations,
    known: Mapping[Key, Tensor],
    again: Callable[[Decomposition], Mapping[Key, Tensor]],
    *,
    scale: float = 0.0,
    perturbed: Callable[[Trace, torch.Generator], Decomposition] = _perturbed,
) -> Noise[Key]:
    """Return how far rounding by itself may move each entry of some tensors.

    They are found `again` from the trace with other last bits; what is `known` of them also says how large they are,
    and so does `scale`.
    """
    generator = torch.Generator().manual_seed(0)
    runs = []
    for _ in range(RUNS):
        decomposition = perturbed(trace, generator)
        derivations.request(decomposition.requests())
        runs.append(again(decomposition))
    found = {key: torch.stack([_like(run.get(key), value) for run in runs]) for key, value in known.items()}
    largest = max((_largest(value) for value in known.values()), default=0.0)
    largest = max(largest, scale)
    return Noise(known, found, CEILING * largest)


def scattered_by(
    lower: Lower,
    trace: Trace,
    derivations: Derivations,
    known: Mapping[Key, Tensor],
    again: Callable[[Decomposition], Mapping[Key, Tensor]],
    *,
    scale: float = 0.0,
) -> Noise[Key]:
    """Return how far the rounding of a lower dtype may move each entry of some tensors, as `scattered` does."""
    size = LOWER_STEP * torch.finfo(lower.dtype).eps

    def perturbed(trace: Trace, generator: torch.Generator) -> Decomposition:
        return decompose(trace, lambda tensor: _perturb(tensor, generator, size))

    found = scattered(trace, derivations, known, again, scale=scale, perturbed=perturbed)
    ceiling = LOWER_CEILING * lower.relative * found.ceiling / CEILING
    return Noise(found.values, found.perturbed, ceiling, LOWER_WIDTH)


def _like(found: Tensor | None, value: Tensor) -> Tensor:
    """Return a run's value, or the reference's where a run has none of its shape, which excuses nothing."""
    return value if found is None or found.shape != value.shape else found


def _largest(value: Tensor) -> float:
    finite = value[value.isfinite()].abs()
    return float(finite.max()) if finite.numel() else 0.0
