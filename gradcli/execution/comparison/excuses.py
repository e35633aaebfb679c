"""What excuses a gradient that is not the derivative: rounding, and what the last bits of the leaves move."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch import Tensor

from gradcli.execution.comparison.compare import compare
from gradcli.execution.comparison.rounding import FEW, RUNS, Noise, Point
from gradcli.execution.comparison.within_rounding import is_told, within_rounding
from gradcli.execution.forward.trace import TracedTensor
from gradcli.report.comparison import Comparison
from gradcli.tolerance import Tolerance

T = TypeVar("T")


@dataclass(slots=True)
class Repeatable(Generic[T]):
    """An iterator that can be gone through again; each of its items is made once, when it is first asked for."""

    rest: Iterator[T]
    made: list[T] = field(default_factory=list)

    def __iter__(self) -> Iterator[T]:
        """Yield the items."""
        yield from self.made
        for item in self.rest:
            self.made.append(item)
            yield item


@dataclass(slots=True)
class Excuses:
    """How far the gradients at a point may be off, measured where it is asked for."""

    point: Point
    differing: Callable[[TracedTensor], Iterable[TracedTensor]]
    """Returns a tensor and all others whose gradients differ: these are measured at once."""
    _noise: dict[float, Noise[TracedTensor]] = field(default_factory=dict)
    _measuring: dict[TracedTensor, Repeatable[Noise[TracedTensor]]] = field(default_factory=dict)
    _conditioning: dict[tuple[bool, int], Noise[TracedTensor]] = field(default_factory=dict)

    def within_noise(
        self, traced: TracedTensor, gradient: Tensor, tolerance: Tolerance
    ) -> tuple[Tensor, Comparison | None]:
        """Return how far rounding may move each entry, and the verdict if the gradient is off by no more than that.

        What it may move only grows with each run that measures it, so that the first one to tell is the last.
        """
        lower = tolerance.relative if tolerance.normwise else None
        reference, error = self.point.reference.values[traced], torch.tensor(self.point.ceiling(lower))
        if not self._agrees(traced, gradient, tolerance, error):
            return error, None
        agrees, error = False, torch.zeros(())
        for noise in self._growing(traced, lower):
            error = torch.maximum(error, noise)
            agrees = self._agrees(traced, gradient, tolerance, error)
            if agrees and (tolerance.normwise or is_told(reference, error)):
                break
        if not agrees:
            return error, None
        found = compare(gradient, reference, tolerance, error, None)
        return error, self._explained(found, traced, gradient, error, tolerance)

    def _growing(self, traced: TracedTensor, lower: float | None) -> Iterator[Tensor]:
        """Yield how far rounding may move each entry as far as is known: from the calls that read a tensor on."""
        if lower is not None:
            yield self.rounding_error(traced, lower)
            return
        yield from self.point.last_noise(traced)
        for noise in self._measured(traced):
            yield noise.rounding_error(traced)

    def _measured(self, traced: TracedTensor) -> Iterator[Noise[TracedTensor]]:
        """Yield the noise of all tensors that differ after each run; no run is made twice."""
        if traced not in self._measuring:
            wanted = self.differing(traced)
            measuring = Repeatable(self.point.growing_noise(wanted))
            self._measuring |= dict.fromkeys(wanted, measuring)
        return iter(self._measuring[traced])

    def is_ill_conditioned(self, traced: TracedTensor, gradient: Tensor, tolerance: Tolerance, noise: Tensor) -> bool:
        """Return whether a gradient is off by what the last bits of the leaves move, beside the noise of rounding.

        A few runs tell whether all can.
        """
        for runs in (FEW, RUNS):
            known = self._condition(traced, runs, lower=tolerance.normwise)
            moved = known.condition_error(traced, normwise=tolerance.normwise)
            if not self._agrees(traced, gradient, tolerance, torch.maximum(moved, noise)):
                return self._is_lost(traced, gradient, tolerance)
        return True

    def _is_lost(self, traced: TracedTensor, gradient: Tensor, tolerance: Tolerance) -> bool:
        """Return whether the symbolic derivative may be off by as much: it is that of the solution of a linear system.

        There is no better way to it that PyTorch could have taken, as there is of a formula that loses digits.
        """
        if tolerance.normwise or not self.point.is_solved_for(traced):
            return False
        *_, noise = self._measured(traced)
        return self._agrees(traced, gradient, tolerance, noise.condition_error(traced))

    def rounding_error(self, traced: TracedTensor, lower: float | None = None) -> Tensor:
        """Return how far rounding may move each entry, in a `lower` dtype with its tolerance; of all that differ."""
        if lower is None:
            *_, noise = self._measured(traced)
            return noise.rounding_error(traced)
        known = self._noise.get(lower)
        if known is None or traced not in known.values:
            known = self.point.lower_noise(self.differing(traced), lower)
            self._noise[lower] = known
        return known.rounding_error(traced)

    def _condition(self, traced: TracedTensor, runs: int, *, lower: bool) -> Noise[TracedTensor]:
        """Return how far gradients move with the last bits of the leaves, of the dtype that they are in."""
        known = self._conditioning.get((lower, runs))
        if known is None or traced not in known.values:
            known = self.point.conditioning(self.differing(traced), lower=lower, runs=runs)
            self._conditioning[lower, runs] = known
        return known

    def _agrees(self, traced: TracedTensor, gradient: Tensor, tolerance: Tolerance, error: Tensor) -> bool:
        return bool(tolerance.agrees(gradient, self.point.reference.values[traced], error).all())

    def _explained(
        self, found: Comparison, traced: TracedTensor, gradient: Tensor, error: Tensor, tolerance: Tolerance
    ) -> Comparison:
        reference, cotangent = self.point.reference.values[traced], self.point.cotangent
        return within_rounding(found, gradient, reference, error, cotangent=cotangent, tolerance=tolerance)
