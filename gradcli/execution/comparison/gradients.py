"""Everything known about one run, and the judgement that it supports on each tensor."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from gradcli.execution.comparison.blame import Watch
from gradcli.execution.comparison.cancellation import Cancellation
from gradcli.execution.comparison.causes import NO_CLUES, Clues
from gradcli.execution.comparison.compare import Survey, compare
from gradcli.execution.comparison.culprits import Culprits
from gradcli.execution.comparison.derivatives import HINGES, at_kink
from gradcli.execution.comparison.excuses import Excuses
from gradcli.execution.comparison.failing import Part, failing_part, has_wrong_gradient
from gradcli.execution.comparison.lost_jumps import lost_jumps
from gradcli.execution.comparison.nonfinite import (
    gradient_made,
    has_jump,
    infinity_made,
    resting_on_jumps,
    resting_on_nonfinite,
)
from gradcli.execution.comparison.not_a_number import resting_on_nonfinite_output
from gradcli.execution.comparison.overflow import Overflow, exceeds, resting_on_overflow
from gradcli.execution.comparison.own_values import OwnValues, own_values_of
from gradcli.execution.comparison.rounding import Point
from gradcli.execution.comparison.several import surveys
from gradcli.execution.comparison.sizes import SizesOfEntries
from gradcli.execution.comparison.smaller_cotangents import Smaller
from gradcli.execution.comparison.underflow import Underflow
from gradcli.execution.comparison.within_rounding import CANCELLATION, ILL_CONDITIONED, UNDERFLOW
from gradcli.execution.comparison.without_owner import without_owner
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.finite import all_finite, has_nan
from gradcli.execution.forward.indices import show_index
from gradcli.execution.forward.trace import Trace, TracedCall, TracedTensor
from gradcli.execution.reference.kinks import SLACK
from gradcli.execution.reference.pullback import Reference
from gradcli.report.comparison import Comparison
from gradcli.report.notes import NoteKind, Notes, noted
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance

BY_DIFFERENCE_QUOTIENT = (
    f"the symbolic derivative of '{{}}' is NaN here; autograd's value agrees with difference quotients to {SLACK:g}"
)
MOVED = "the symbolic derivative, which rounding moves by as much, is"
TOO_LARGE = noted(
    NoteKind.UNDEFINED, "the derivative is not infinite, but too large for the dtype that it is computed in"
)


@dataclass(slots=True, weakref_slot=True)
class GradientComparison:
    """Autograd's gradients beside the symbolic ones."""

    point: Point
    gradients: Mapping[TracedTensor, Tensor | None]
    tolerance: Tolerance
    undefined: dict[TracedTensor, Notes]
    """What made the value that is not finite, or where one jumps, by the tensors whose gradients rest on it."""
    jumping: dict[TracedTensor, Notes]
    """Those of them whose gradients rest on no more than a jump of one op."""
    steps: bool
    """Whether an op is where its value jumps, be it that no gradient passes there."""
    lost: frozenset[TracedTensor] = frozenset()
    """The results of such ops whose jumps no gradient passes, by rounding alone."""
    watch: Watch | None = None
    """What has seen the Functions of the code."""
    sizes: SizesOfEntries = field(default_factory=SizesOfEntries)
    """Of the run's tensors."""
    hinging: set[TracedTensor] = field(default_factory=set)
    """The tensors whose gradients were found to be what rounding decides them to be, so far."""
    culprits: Culprits = field(init=False)
    _excuses: Excuses = field(init=False)
    _underflow: Underflow = field(init=False)
    _cancellation: Cancellation = field(init=False)
    _smaller: Smaller = field(init=False)
    _nan: Notes | None = None
    _resting: dict[TracedTensor, Notes] | None = None
    _overflows: dict[TracedTensor, Overflow] | None = None
    _own: OwnValues[TracedTensor] | None = None
    _known: dict[TracedTensor, Comparison] = field(default_factory=dict)
    _surveys: dict[TracedTensor, Survey] | None = None

    def __post_init__(self) -> None:
        """Set what measures how far gradients may be off, and what says whose fault that is."""
        self.culprits = Culprits(self.point, self.gradients, self.tolerance, self.watch, without_owner(self.divergent))
        self._excuses = Excuses(self.point, without_owner(self._differing))
        self._underflow = Underflow(self.point, self.sizes)
        self._cancellation = Cancellation(self.point, self.sizes)
        self._smaller = Smaller(self.point)

    @staticmethod
    def of(
        point: Point,
        gradients: Mapping[TracedTensor, Tensor | None],
        tolerance: Tolerance,
        *,
        watch: Watch | None = None,
    ) -> GradientComparison:
        """Return the comparisons of a run."""
        trace = point.decomposition.trace
        known = point.completed(gradients)
        steps, sizes = has_jump(trace), SizesOfEntries()
        lost = lost_jumps(point, known) if steps else frozenset()
        results = [output for call in trace.calls for output in call.outputs]
        sizes.look_at([*trace.leaves, *results])
        made = {} if sizes.are_finite(results) else resting_on_nonfinite(trace, known)
        jumping = resting_on_jumps(trace, known, lost) if steps else {}
        jumping = {traced: notes for traced, notes in jumping.items() if traced not in made}
        return GradientComparison(point, gradients, tolerance, made | jumping, jumping, steps, lost, watch, sizes)

    @property
    def trace(self) -> Trace:
        """Return the trace of the run."""
        return self.point.decomposition.trace

    @property
    def reference(self) -> Reference:
        """Return the symbolic gradients."""
        return self.point.reference

    def compare_autograd(self, traced: TracedTensor) -> Comparison | None:
        """Return how autograd's gradient of a tensor compares with the symbolic one; None if it has no gradient."""
        gradient = self.gradients.get(traced)
        if gradient is None:
            return None
        if traced in self.reference.undecided:
            return self._without_symbolic(traced, gradient)
        return self._explained(traced, self._compared(traced))

    def _without_symbolic(self, traced: TracedTensor, gradient: Tensor) -> Comparison:
        """Return the verdict where there is no symbolic derivative: a NaN is none either."""
        if has_nan(gradient):
            return compare(gradient, gradient, self.tolerance).explained(Verdict.UNDEFINED, self._first_nan())
        undecided = Comparison.undecided(self.reference.undecided[traced])
        notes = self._nan_values().get(traced)
        return undecided if notes is None else dataclasses.replace(undecided, verdict=Verdict.UNDEFINED, notes=notes)

    def _nan_values(self) -> dict[TracedTensor, Notes]:
        """Return what made a NaN or an infinity of the output, by the tensors that it came about by."""
        if self._resting is None:
            self._resting = resting_on_nonfinite_output(self.trace, self.point.cotangent)
        return self._resting

    def _compared(self, traced: TracedTensor) -> Comparison:
        if traced not in self._known:
            gradient = double(self.gradients[traced])  # type: ignore[arg-type]
            if self._surveys is None:
                self._surveys = surveys(self.gradients, self.reference.values)
            self._known[traced] = self.compare(traced, gradient, self.tolerance, survey=self._surveys.get(traced))
        return self._known[traced]

    def compare(
        self,
        traced: TracedTensor,
        gradient: Tensor,
        tolerance: Tolerance,
        clues: Clues = NO_CLUES,
        *,
        survey: Survey | None = None,
    ) -> Comparison:
        """Return how a gradient of a tensor, whoever gives it, compares with the symbolic one."""
        reference = self.reference.values[traced]
        comparison = compare(gradient, reference, tolerance, 0.0, None, survey)
        if comparison.verdict is Verdict.MATCH and self._cancellation.hides(traced, tolerance):
            return comparison.explained(Verdict.UNDECIDED, CANCELLATION)
        if comparison.verdict is not Verdict.MISMATCH or gradient.shape != reference.shape:
            return comparison
        noise, found = self._excuses.within_noise(traced, gradient, tolerance)
        if found is not None:
            return found
        if self._excuses.is_ill_conditioned(traced, gradient, tolerance, noise):
            return dataclasses.replace(comparison, verdict=Verdict.UNDECIDED, notes=ILL_CONDITIONED)
        if self._cancellation.excuses(traced, gradient, tolerance):
            return dataclasses.replace(comparison, verdict=Verdict.UNDECIDED, notes=CANCELLATION)
        return self._at_own_values(traced, gradient, tolerance, clues)

    def _at_own_values(self, traced: TracedTensor, gradient: Tensor, tolerance: Tolerance, clues: Clues) -> Comparison:
        """Return the verdict on a gradient that is not the derivative: unknown where it is that at PyTorch's values."""
        if not tolerance.normwise and self._excuses.moves(traced, gradient):
            clues = dataclasses.replace(clues, right=MOVED)
        # What rounding excuses has no cause.
        comparison = compare(gradient, self.reference.values[traced], tolerance, 0.0, clues)
        if not self._own_values().admit(traced, gradient, self._differing(traced)):
            return comparison
        self.hinging.add(traced)
        return dataclasses.replace(comparison, verdict=Verdict.UNDECIDED, notes=HINGES)

    def _own_values(self) -> OwnValues[TracedTensor]:
        if self._own is None:
            self._own = own_values_of(self.point, self.tolerance)
        return self._own

    def rounding(self, traced: TracedTensor) -> float:
        """Return how far off rounding may have moved an entry of a tensor's gradient; 0 where nothing is known."""
        if traced not in self.reference.values:
            return 0.0
        error = self._excuses.rounding_error(traced, self.tolerance.relative if self.tolerance.normwise else None)
        return float(error.max()) if error.numel() else 0.0

    def _differing(self, traced: TracedTensor) -> dict[TracedTensor, None]:
        """Return a tensor and all others whose gradients differ."""
        return dict.fromkeys([traced, *filter(self._differs, filter(self._is_comparable, self.trace.tensors))])

    def _differs(self, traced: TracedTensor) -> bool:
        gradient, reference = double(self.gradients[traced]), self.reference.values[traced]  # type: ignore[arg-type]
        return compare(gradient, reference, self.tolerance, clues=None).verdict is Verdict.MISMATCH

    def _explained(self, traced: TracedTensor, comparison: Comparison) -> Comparison:
        """Return the verdict with what is known of kinks and of values that are not finite."""
        if traced in self.undefined:
            return comparison.explained(Verdict.UNDEFINED, self.undefined[traced])
        if comparison.verdict is Verdict.MATCH and self._underflow.hides(traced, self.tolerance):
            return comparison.explained(Verdict.UNDECIDED, UNDERFLOW)
        if comparison.verdict in {Verdict.MATCH, Verdict.MISMATCH} and traced in self._nan_values():
            return dataclasses.replace(comparison, verdict=Verdict.UNDEFINED, notes=self._nan_values()[traced])
        finite = comparison.is_finite or all_finite(self.gradients[traced])  # type: ignore[arg-type]
        if comparison.verdict is Verdict.MATCH and not finite:
            return self._infinite(traced, comparison)
        if comparison.verdict is Verdict.MATCH and traced in self.reference.kinked:
            return self._chosen(traced, comparison)
        if comparison.verdict is Verdict.MATCH and traced in self.reference.by_difference_quotient:
            where = self.reference.by_difference_quotient[traced]
            notes = noted(NoteKind.REFERENCE, BY_DIFFERENCE_QUOTIENT.format(where), where)
            return comparison.explained(Verdict.MATCH, notes)
        if comparison.verdict is Verdict.UNDEFINED:
            made = self._first_nan()
            return comparison.explained(Verdict.UNDEFINED, (*made, *self._existing(traced)) if made else ())
        if comparison.verdict is Verdict.MISMATCH and exceeds(
            self.gradients[traced], self.reference.values[traced], self.tolerance, self.point.precision
        ):
            return dataclasses.replace(comparison, verdict=Verdict.UNDEFINED, notes=(*TOO_LARGE, *comparison.notes))
        if comparison.verdict is Verdict.MISMATCH:
            return dataclasses.replace(comparison, notes=(*comparison.notes, *self.culprits.of(traced)))
        return comparison

    def _chosen(self, traced: TracedTensor, comparison: Comparison) -> Comparison:
        """Return the verdict on a choice between one-sided derivatives, which rounding may leave no digits."""
        if self._cancellation.hides_sides(traced):
            return comparison.explained(Verdict.UNDECIDED, CANCELLATION)
        return comparison.explained(Verdict.SUBGRADIENT, at_kink(self.reference.kinked[traced]))

    def _infinite(self, traced: TracedTensor, comparison: Comparison) -> Comparison:
        """Return the verdict on an infinite gradient where the symbolic one is infinite too."""
        if self._overflows is None:
            gradients = self.point.completed(self.gradients)
            self._overflows = resting_on_overflow(self.trace, gradients, self.point.derivations)
        overflow = self._overflows.get(traced)
        if overflow is not None:
            found = self._smaller.contradicts(traced, self.gradients[traced])  # type: ignore[arg-type]
            return comparison.explained((found or overflow).verdict, (found or overflow).notes)
        verdict = Verdict.UNDEFINED if traced in self.reference.kinked else Verdict.MATCH
        return comparison.explained(verdict, infinity_made(self.trace, self.point.completed(self.gradients)))

    def _existing(self, traced: TracedTensor) -> Notes:
        """Return a note on the derivative at the first entry at which autograd gives NaN, if rounding leaves one."""
        if traced in self.reference.kinked:
            return ()  # one of several
        gradient, reference = double(self.gradients[traced]), self.reference.values[traced]  # type: ignore[arg-type]
        missing = gradient.isnan() & reference.isfinite()
        own = self._own_values().values.get(traced) if bool(missing.any()) else None
        entries = [] if own is None else (missing & self.tolerance.agrees(own, reference)).nonzero().tolist()
        if not entries:
            return ()
        index = tuple(entries[0])
        words = f"the derivative exists{show_index(index)}, and is {reference[index].item():.10g}"
        return noted(NoteKind.REFERENCE, words, index)

    def _first_nan(self) -> Notes:
        """Return what made the first NaN: in PyTorch's gradients, or else only in the symbolic ones."""
        if self._nan is None:
            self._nan = gradient_made(self.trace, self.point.completed(self.gradients))
        if self._nan or self.reference.first_nan is None:
            return self._nan
        text = self.reference.first_nan.outputs[0].text
        return noted(NoteKind.UNDEFINED, f"the derivative of '{text}' makes the first NaN", text)

    def divergent(self) -> TracedCall | None:
        """Return the call at which the gradients part: of a part of the code with several, the last."""
        tensors = [traced for traced in dict.fromkeys(self.trace.tensors) if self._is_comparable(traced)]
        failed = {traced for traced in tensors if self._compared(traced).verdict is Verdict.MISMATCH}
        part = failing_part(self.trace, failed, self.is_wrong)
        return part.calls[-1] if part is not None and part.calls else None

    def is_wrong(self, part: Part) -> bool:
        """Return whether PyTorch's gradient of a part of the run is wrong by itself, as far as is known."""
        return has_wrong_gradient(part, self.gradients, self.point.derivations, self.tolerance)

    def _is_comparable(self, traced: TracedTensor) -> bool:
        return self.gradients.get(traced) is not None and traced in self.reference.values
