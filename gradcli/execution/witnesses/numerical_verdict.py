"""What the numerical witnesses say of autograd's gradients: their numbers, and a verdict that knows their own error."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from gradcli.execution.forward.replay import Replay
from gradcli.execution.forward.tracer import TracedTensor
from gradcli.execution.run import Run
from gradcli.execution.witnesses.numerical import (
    FiniteDifferences,
    ScalarFunction,
    Taylor,
    Values,
    finite_differences,
    taylor,
)
from gradcli.report.report import Verdict, WitnessReport
from gradcli.tolerance import Tolerance

# How many times its estimated error a witness is allowed to be off.
SAFETY = 10.0
# A witness whose error may be larger than this, relative to the gradient, says nothing; nor may it be relative to the
# terms of the output, where the gradient is as good as zero.
CLEAR, CLEAR_OF_OUTPUT = 1e-4, 1e-8
# One-sided derivatives are different where they are this far apart, relative to the gradient.
SIDED = 1e-3
# A remainder of a lower order than this is not that of a smooth function with a right gradient.
LOWEST_ORDER = 1.5
DOUBLE = Tolerance.of("float64")


# More calls than this, and the witnesses are heard about the leaves alone: each tensor takes a run of what follows it.
MOST_CALLS = 64


@dataclass(frozen=True, slots=True)
class NumericalVerdict:
    """What the numerical witnesses say of autograd's gradient, and which of them deny the symbolic one.

    `conventions` are what ops of the program do to a gradient beside what they compute, which no witness knows.
    """

    witnesses: dict[str, WitnessReport]
    against_symbolic: frozenset[str]
    conventions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Witnesses:
    """The numerical witnesses of one run."""

    run: Run
    replay: Replay
    tolerance: Tolerance

    @staticmethod
    def of(run: Run) -> Witnesses:
        """Return the witnesses of a run."""
        settings = run.settings
        return Witnesses(run, Replay.of(run.trace), settings.tolerance)

    def hear(self, traced: TracedTensor, gradient: Tensor, reference: Tensor | None) -> NumericalVerdict | None:
        """Return what the witnesses that the settings name say of a tensor's gradient; None if they are not heard."""
        if not traced.is_leaf and len(self.run.trace.calls) > MOST_CALLS:
            return None
        wanted, found, against = self.run.settings.witnesses, {}, set()
        if "finite-difference" in wanted:
            differences = finite_differences(*self._question(traced), self.run.cotangent)
            found["finite-difference"] = by_differences(differences, gradient, self.tolerance)
            against |= {"finite-difference"} if self._refuse(differences, reference) else set()
        if "taylor" in wanted:
            told = self._taylor(traced, gradient)
            found["taylor"] = by_taylor(told, gradient, self.tolerance)
            against |= {"taylor"} if self._refuse(told.differences, reference) else set()
        conventions = dict.fromkeys(call.op.convention for call in self.run.trace.calls if call.op.convention)
        return NumericalVerdict(found, frozenset(against), tuple(conventions))

    def _question(self, traced: TracedTensor) -> tuple[ScalarFunction, Values, str]:
        """Return the run as a function of one tensor, that tensor's value, and its name."""
        name = self.run.names[traced]

        def function(tensors: Values) -> Tensor:
            return self.replay.output({traced: tensors[name]})

        return function, {name: self.replay.values[traced]}, name

    def _taylor(self, traced: TracedTensor, gradient: Tensor) -> Taylor:
        function, point, name = self._question(traced)
        roundoff = self.tolerance.relative if self.tolerance.normwise else 0.0
        return taylor(function, point, {name: gradient}, self.run.cotangent, roundoff)

    def _refuse(self, differences: FiniteDifferences, reference: Tensor | None) -> bool:
        """Return whether the differences say that the symbolic derivative is wrong."""
        return reference is not None and judge(differences, reference, DOUBLE)[0] is Verdict.MISMATCH


def by_differences(differences: FiniteDifferences, gradient: Tensor, tolerance: Tolerance) -> WitnessReport:
    """Return what finite differences say of a gradient."""
    verdict, error, note = judge(differences, gradient, tolerance)
    estimate = float(differences.error.max()) if differences.error.numel() else 0.0
    projections = None if differences.directions is None else len(differences.directions)
    return WitnessReport(verdict, error, estimate, projections, note=note)


def by_taylor(found: Taylor, gradient: Tensor, tolerance: Tolerance) -> WitnessReport:
    """Return what the Taylor test says of a gradient."""
    verdict, _, note = judge(found.differences, gradient, tolerance)
    if verdict is Verdict.MATCH and found.order is not None and found.order < LOWEST_ORDER:
        verdict, note = Verdict.UNDECIDED, "the remainder's order is that of a function that is not smooth here"
    elif verdict is Verdict.MATCH and found.order == math.inf:
        note = "no remainder: the function is linear along this direction"
    elif verdict is Verdict.MATCH and found.order is None and tolerance.normwise:
        note = f"the gradient's own rounding, {tolerance.relative:g}, hides the remainder's order"
    return WitnessReport(
        verdict, order=found.order, second_order=found.second_order, linear_error=found.linear_error, note=note
    )


def judge(
    differences: FiniteDifferences, gradient: Tensor, tolerance: Tolerance
) -> tuple[Verdict, float | None, str | None]:
    """Return the verdict of finite differences on a gradient, the largest difference, and what is to be said of it."""
    claimed, value = differences.of(gradient), differences.value
    if not claimed.numel():
        return Verdict.MATCH, 0.0, None
    if bool(claimed.isnan().any()):
        return Verdict.UNDEFINED, None, "the gradient is NaN"
    spread = 1.0 if differences.directions is None else 3 * math.sqrt(gradient.numel())
    size = max(float(claimed.abs().nan_to_num(0.0, 0.0).max()), float(value.abs().nan_to_num(0.0, 0.0).max()))
    own = SAFETY * differences.error
    largest = spread * float(gradient.abs().max())
    granted = tolerance.relative * largest + tolerance.absolute * (spread if tolerance.normwise else largest)
    error = (claimed - value).abs()
    wrong = ~((error <= own + granted) | (claimed == value))
    sided = wrong & _between(differences, claimed, size)
    unclear = ~((own <= CLEAR * size) | (own <= CLEAR_OF_OUTPUT * differences.magnitude)) & (claimed != value)
    found = float(error.max()) if bool(error.isfinite().all()) else None
    if bool((wrong & ~sided & ~unclear).any()):
        return Verdict.MISMATCH, found, None
    if bool(unclear.any()):
        return Verdict.UNDECIDED, found, "the differences are not accurate enough here to tell"
    return (Verdict.SUBGRADIENT if bool(sided.any()) else Verdict.MATCH), found, None


def _between(differences: FiniteDifferences, claimed: Tensor, size: float) -> Tensor:
    """Return where a gradient lies between one-sided derivatives that are not the same."""
    below, above = differences.below, differences.above
    slack = SIDED * size / 10
    low, high = below.minimum(above) - slack, below.maximum(above) + slack
    return ((above - below).abs() > SIDED * size) & (low <= claimed) & (claimed <= high)
