"""What excuses a gradient that is not the derivative: rounding, and what the last bits of the leaves move."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from gradcli.execution.comparison.compare import compare
from gradcli.execution.comparison.rounding import FEWER, MANY, RUNS, Noise, Point
from gradcli.execution.comparison.within_rounding import within_rounding
from gradcli.execution.forward.trace import TracedTensor
from gradcli.report.comparison import Comparison
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

# A gradient that is off by more than this part of the largest entry is plainly wrong.
PLAIN = 1e-4
# How many times the noise that few runs show what many may show is, at most.
BY_CHANCE = 2.0


@dataclass(slots=True)
class Excuses:
    """How far the gradients at a point may be off, measured where it is asked for."""

    point: Point
    differing: Callable[[TracedTensor], Iterable[TracedTensor]]
    """Returns a tensor and all others whose gradients differ: these are measured at once."""
    _noise: dict[tuple[float | None, int], Noise[TracedTensor]] = field(default_factory=dict)
    _conditioning: dict[tuple[bool, int], Noise[TracedTensor]] = field(default_factory=dict)
    _moved: Noise[TracedTensor] | None = None

    def within_noise(
        self, traced: TracedTensor, gradient: Tensor, tolerance: Tolerance
    ) -> tuple[Tensor, Comparison | None]:
        """Return how far rounding may move each entry, and the verdict if the gradient is off by no more than that."""
        lower = tolerance.relative if tolerance.normwise else None
        most = torch.tensor(self.point.ceiling(lower))
        if not self._agrees(traced, gradient, tolerance, most):
            return most, None
        error, reference = torch.zeros(()), self.point.reference.values[traced]
        is_zero = bool((reference.abs() <= most).all())

        def last_noise(traced: TracedTensor) -> Tensor:
            # Of what may be zero within rounding, all of the noise is to be known.
            return self.point.last_noise(
                traced,
                lambda more: not is_zero and self._agrees(traced, gradient, tolerance, torch.maximum(error, more)),
            )

        def of_many(traced: TracedTensor) -> Tensor:
            """Return what many runs show of what few nearly excuse; no bound is that wide in double precision."""
            near = lower is not None and self._agrees(traced, gradient, tolerance, BY_CHANCE * error)
            return self.rounding_error(traced, lower, MANY) if near else error

        cheap = () if tolerance.normwise else (self.point.summing_error, last_noise)
        for noise in (*cheap, partial(self.rounding_error, lower=lower), of_many):
            error = torch.maximum(error, noise(traced))
            if tolerance.normwise and bool((reference.abs() <= error).all()):  # which has no norm to be judged by
                error = error.amax().expand_as(reference)
            found = compare(gradient, reference, tolerance, error, None)
            if found.verdict is Verdict.MATCH:
                return error, self._explained(found, traced, gradient, error, tolerance)
        return error, None

    def is_ill_conditioned(self, traced: TracedTensor, gradient: Tensor, tolerance: Tolerance, noise: Tensor) -> bool:
        """Return whether a gradient is off by what the last bits of the leaves move, beside the noise of rounding.

        A few runs tell whether all can.
        """
        for runs in (*FEWER, RUNS):
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
        self.rounding_error(traced)
        return self._agrees(traced, gradient, tolerance, self._noise[None, RUNS].scatter_error(traced))

    def rounding_error(self, traced: TracedTensor, lower: float | None = None, runs: int = RUNS) -> Tensor:
        """Return how far rounding may move each entry, in a `lower` dtype with its tolerance; of all that differ."""
        known = self._noise.get((lower, runs))
        if known is None or traced not in known.values:
            wanted = self.differing(traced)
            known = self.point.noise(wanted) if lower is None else self.point.lower_noise(wanted, lower, runs=runs)
            self._noise[lower, runs] = known
        return known.rounding_error(traced)

    def moves(self, traced: TracedTensor, gradient: Tensor) -> bool:
        """Return whether rounding moves the symbolic derivative by as much as a gradient is off, where it is most.

        No algorithm is excused by that, but what the derivative is, to so many digits, is not known. One run tells;
        none is made of what is plainly wrong.
        """
        reference = self.point.reference.values[traced]
        error = (gradient - reference).abs().reshape(-1)
        place = int(error.nan_to_num(nan=torch.inf).argmax())
        if not error[place] <= PLAIN * reference.abs().max():
            return False
        if self._moved is None or traced not in self._moved.values:
            self._moved = self.point.noise(self.differing(traced), runs=1)
        return bool(self._moved.scatter(traced).reshape(-1)[place] >= error[place])

    def _condition(self, traced: TracedTensor, runs: int, *, lower: bool) -> Noise[TracedTensor]:
        """Return how far gradients move with the last bits of the leaves, of the dtype that they are in."""
        known = self._conditioning.get((lower, runs))
        if known is None or traced not in known.values:
            known = self.point.conditioning(self.differing(traced), lower=lower, runs=runs)
            self._conditioning[lower, runs] = known
        return known

    def _agrees(self, traced: TracedTensor, gradient: Tensor, tolerance: Tolerance, error: Tensor) -> bool:
        reference = self.point.reference.values[traced]
        return compare(gradient, reference, tolerance, error, None).verdict is Verdict.MATCH

    def _explained(
        self, found: Comparison, traced: TracedTensor, gradient: Tensor, error: Tensor, tolerance: Tolerance
    ) -> Comparison:
        reference, cotangent = self.point.reference.values[traced], self.point.cotangent
        return within_rounding(found, gradient, reference, error, cotangent=cotangent, tolerance=tolerance)
