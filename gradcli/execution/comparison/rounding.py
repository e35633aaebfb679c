"""Rounding noise: how far a gradient may be off because double precision cannot do better at this point.

The reference is evaluated again with the last bits of every intermediate value changed. Where cancellation has eaten
the digits of a gradient (a softmax's gradient that is exactly zero, 1 - tanh(x)² at x = 10), it scatters, and
autograd's value is as good as any of these. This is the idea of stochastic arithmetic (Vignes 1993, CADNA).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial, reduce
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.execution.comparison.compare import largest_size
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.trace import Trace, TracedTensor
from gradcli.execution.reference.contributions import Terms, contributions, terms
from gradcli.execution.reference.decomposition import Decomposition, Inner, decompose
from gradcli.execution.reference.inner_gradient import differentiating
from gradcli.execution.reference.last_bits import STEP, perturb
from gradcli.execution.reference.nodes import Node
from gradcli.execution.reference.pullback import Reference, differentiate
from gradcli.execution.reference.tensor_eval import Perturbation

Key = TypeVar("Key")
RUNS, MANY = 6, 24
# Of which so few are looked at first, and the part of entries in which what they show may be too small by chance.
FEWER, CHANCE = (1, 2), 1e-6
# In a lower dtype every result is rounded by half a unit: its steps, in units, and how many times their scatter counts.
LOWER_STEP, LOWER_WIDTH = 0.5, 4.0
# How many times the dtype's relative tolerance that may excuse, relative to the largest adjoint.
LOWER_CEILING = 16.0
# How many times the scatter counts as noise, and the most that it excuses, relative to the largest adjoint.
WIDTH = 64.0
CEILING = 1e-10
# By how many units in the last place of all its terms a sum may be off where nothing else is known: far less than that.
UNITS = 16.0
# How many times the scatter counts where it is larger than that, so that nothing is decided within it.
UNKNOWN_WIDTH = 16.0
# Runs agree that are closer than this, relative to how far the farthest is from the reference. Of a million entries
# that scatter, hardly one has two pairs of runs that are so close by chance.
SAME = 1e-5


class Perturbed(Protocol):
    """Returns a trace's definitions with other last bits."""

    def __call__(self, trace: Trace, generator: torch.Generator, inner: Inner, size: float = STEP) -> Decomposition:
        """Return them, each value changed by up to `size`."""


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
        return (self.width * self.scatter(key)).clamp(max=self.ceiling)

    def condition_error(self, key: Key, *, normwise: bool = False) -> Tensor:
        """Return how far from the reference each entry may truly be, as far as the precision can tell.

        An entry that jumps between a few values is not ill-conditioned: it is next to a discontinuity, on the side
        that its definition says. Where it is ill-conditioned, hardly two runs agree. What is judged `normwise` may be
        off in each entry by as much as in the worst. Of only a few runs it is what all might come to at most.
        """
        runs = len(self.perturbed[key])
        if runs < RUNS:
            error = CHANCE ** (-1 / runs) * self.scatter_error(key)
            return error.amax() if normwise and error.numel() else error
        away = (self.perturbed[key] - self.values[key]).abs().sort(dim=0).values
        different = (away.diff(dim=0) > SAME * away[-1]).sum(dim=0) + 1
        error = torch.where(different >= RUNS - 1, self.scatter_error(key), 0.0)
        return error.amax() if normwise and error.numel() else error

    def scatter_error(self, key: Key) -> Tensor:
        """Return the same where it is known that nothing jumps."""
        return UNKNOWN_WIDTH * self.scatter(key)

    def scatter(self, key: Key) -> Tensor:
        """Return how far the perturbed runs have moved each entry at most."""
        return (self.perturbed[key] - self.values[key]).abs().amax(dim=0).nan_to_num(nan=0.0)


@dataclass(frozen=True, slots=True)
class Lower:
    """A dtype lower than double precision, and its relative tolerance."""

    dtype: torch.dtype
    relative: float


def _perturbed(
    trace: Trace, generator: torch.Generator, inner: Inner, size: float = STEP, *, own: bool = False
) -> Decomposition:
    """Return the trace's definitions with other last bits of every value; with PyTorch's `own`, of those inside."""
    return decompose(trace, lambda tensor: perturb(tensor, generator, size), inner=inner, own=own)


at_own = partial(_perturbed, own=True)


def _moved(trace: Trace, generator: torch.Generator, inner: Inner, size: float = STEP) -> Decomposition:
    """Return the trace's definitions with other last bits of the leaves."""
    moved = {leaf: perturb(double(leaf.tensor), generator, size) for leaf in trace.leaves}
    return decompose(trace, moved=moved, inner=inner)


@dataclass(frozen=True)
class Point:
    """A trace by its definitions, and the derivatives that were found there."""

    decomposition: Decomposition
    reference: Reference
    cotangent: Tensor
    derivations: Derivations

    @cached_property
    def precision(self) -> torch.dtype:
        """Return the lowest dtype that gradients pass through: that of a loss may be higher, as under autocast."""
        trace = self.decomposition.trace
        leaves = [leaf.tensor.dtype for leaf in trace.leaves if leaf.tensor.requires_grad and leaf not in trace.hidden]
        return max(trace.precision or self.cotangent.dtype, self.cotangent.dtype, *leaves, key=_eps)

    @cached_property
    def scale(self) -> float:
        """Return the largest finite entry of all adjoints."""
        return max(map(_largest, self.reference.values.values()), default=0.0)

    def is_solved_for(self, traced: TracedTensor) -> bool:
        """Return whether a tensor's gradient passes through an implicit definition: a linear system is solved."""
        return not self._solved_for.isdisjoint(self.decomposition.parts([traced]))

    @cached_property
    def _solved_for(self) -> frozenset[Node]:
        return self.decomposition.solved_for()

    def completed(self, gradients: Mapping[TracedTensor, Tensor | None]) -> dict[TracedTensor, Tensor | None]:
        """Return autograd's gradients, and the symbolic ones of tensors on the way that it was not asked for."""
        found = {traced: gradient for traced, gradient in gradients.items() if gradient is not None}
        return {**self.reference.values, **found}

    def ceiling(self, relative: float | None = None) -> float:
        """Return the most that noise excuses; `relative` is the tolerance of a lower dtype, if it is of one."""
        return self.scale * (CEILING if relative is None else LOWER_CEILING * relative)

    def noise(
        self, wanted: Iterable[TracedTensor], perturbed: Perturbed = _perturbed, runs: int = RUNS
    ) -> Noise[TracedTensor]:
        """Return how far rounding by itself may move each entry of some tensors' symbolic gradients."""
        known = {traced: self.reference.values[traced] for traced in wanted}
        trace, again = self.decomposition.trace, self.gradients_of
        return scattered(trace, self.derivations, known, again, scale=self.scale, perturbed=perturbed, runs=runs)

    def lower_noise(
        self, wanted: Iterable[TracedTensor], relative: float, dtype: torch.dtype | None = None, runs: int = RUNS
    ) -> Noise[TracedTensor]:
        """Return how far the rounding of a lower dtype may move each entry; `relative` is the tolerance of that dtype.

        Without one, it is the lowest that gradients pass through. A sum that cancels keeps the rounding of its terms,
        whatever it comes to.
        """
        known = {traced: self.reference.values[traced] for traced in wanted}
        trace, lower = self.decomposition.trace, Lower(dtype or self.precision, relative)
        return scattered_by(lower, trace, self.derivations, known, self.gradients_of, scale=self.scale, runs=runs)

    def conditioning(
        self, wanted: Iterable[TracedTensor], *, lower: bool = False, runs: int = RUNS
    ) -> Noise[TracedTensor]:
        """Return how far each entry moves with only the last bits of the leaves: no stable algorithm does better.

        What happens inside of a definition is left out: an algorithm that loses digits there is to blame for it. With
        `lower` these bits are those of the lowest dtype that gradients pass through.
        """
        size = LOWER_STEP * _backward_error(self.decomposition.trace, self.precision) if lower else STEP
        return self.noise(wanted, partial(_moved, size=size), runs)

    def summing_error(self, traced: TracedTensor) -> Tensor:
        """Return how far the rounding of its terms moves the sum that a tensor's gradient is, measured or not."""
        return (UNITS * _eps(torch.float64) * self._terms_of(traced).sizes).clamp(max=self.ceiling())

    def last_noise(self, traced: TracedTensor, is_enough: Callable[[Tensor], bool] = lambda _: False) -> Tensor:
        """Return how far rounding in the calls that read a tensor may move each entry of its gradient.

        That is a part of all the noise: it tells what a sum is whose terms cancel. Every run shows as much or more, so
        that none is made after what `is_enough`.
        """
        generator = torch.Generator().manual_seed(0)
        own, error, runs = self._terms_of(traced), torch.zeros(()), list[Tensor]()
        if (value := own.value) is None:
            return error
        arrived = [self.reference.values[t] for call in own.calls for t in call.outputs if t in self.reference.values]
        ceiling = CEILING * max(map(_largest, arrived))
        while len(runs) < RUNS and not (runs and is_enough(error)):
            run = self._again(traced, lambda tensor: perturb(tensor, generator))
            runs.append(_like(run, value))
            error = Noise({traced: value}, {traced: torch.stack(runs)}, ceiling).rounding_error(traced)
        return error

    @cached_property
    def _terms_of(self) -> Callable[[TracedTensor], Terms]:
        """Return what finds the terms of a tensor's gradient; those of the last one are kept."""
        return lru_cache(1)(lambda t: terms(self.decomposition, self.reference, t, self.derivations.known))

    def _again(self, traced: TracedTensor, perturb: Perturbation) -> Tensor | None:
        known = self.decomposition, self.reference, traced, self.derivations.known
        found = [term for _, term in contributions(*known, perturb)]
        return reduce(torch.add, found) if found else None

    def gradients_of(self, decomposition: Decomposition) -> Mapping[TracedTensor, Tensor]:
        """Return the derivative by every tensor by other definitions of the trace."""
        return differentiate(decomposition, self.cotangent, self.derivations.known).values


def scattered(
    trace: Trace,
    derivations: Derivations,
    known: Mapping[Key, Tensor],
    again: Callable[[Decomposition], Mapping[Key, Tensor]],
    *,
    scale: float = 0.0,
    perturbed: Perturbed = _perturbed,
    runs: int = RUNS,
) -> Noise[Key]:
    """Return how far rounding by itself may move each entry of some tensors.

    They are found `again` from the trace with other last bits; what is `known` of them also says how large they are,
    and so does `scale`.
    """
    generator = torch.Generator().manual_seed(0)
    found: dict[Key, list[Tensor]] = {key: [] for key in known}
    for _ in range(runs):
        decomposition = perturbed(trace, generator, differentiating(derivations))
        derivations.request(decomposition.requests())
        values = again(decomposition)
        for key, value in known.items():
            found[key].append(_like(values.get(key), value))
    largest = max((_largest(value) for value in known.values()), default=0.0)
    return Noise(known, {key: torch.stack(values) for key, values in found.items()}, CEILING * max(largest, scale))


def scattered_by(
    lower: Lower,
    trace: Trace,
    derivations: Derivations,
    known: Mapping[Key, Tensor],
    again: Callable[[Decomposition], Mapping[Key, Tensor]],
    *,
    scale: float = 0.0,
    perturbed: Perturbed = _perturbed,
    runs: int = RUNS,
) -> Noise[Key]:
    """Return how far the rounding of a lower dtype may move each entry of some tensors, as `scattered` does."""
    perturbed = partial(perturbed, size=LOWER_STEP * torch.finfo(lower.dtype).eps)
    found = scattered(trace, derivations, known, again, scale=scale, perturbed=perturbed, runs=runs)
    ceiling = LOWER_CEILING * lower.relative * found.ceiling / CEILING
    return Noise(found.values, found.perturbed, ceiling, LOWER_WIDTH)


def _backward_error(trace: Trace, dtype: torch.dtype) -> float:
    """Return the relative change of operands that a stable algorithm's rounding amounts to in a lower dtype.

    That of an n-by-n matrix grows as √n if rounding is random (Higham and Mary 2019). PyTorch works in single precision
    at least, whatever the dtype.
    """
    shapes = [traced.tensor.shape for traced in trace.tensors if traced.tensor.ndim > 1]
    longest = max((min(shape[-2:]) for shape in shapes), default=1)
    return max(torch.finfo(dtype).eps, math.sqrt(longest) * torch.finfo(torch.float32).eps)


def _eps(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).eps


def _like(found: Tensor | None, value: Tensor) -> Tensor:
    """Return a run's value, or the reference's where a run has none of its shape, which excuses nothing."""
    return value if found is None or found.shape != value.shape else found


def _largest(value: Tensor) -> float:
    largest = largest_size(value) if value.numel() else 0.0
    if math.isfinite(largest):
        return largest
    finite = value[value.isfinite()].abs()
    return float(finite.max()) if finite.numel() else 0.0
