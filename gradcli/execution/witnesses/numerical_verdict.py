"""What the numerical witnesses say of autograd's gradients in a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from gradcli.execution.comparison.jump_sizes import at_jumps_after
from gradcli.execution.forward.again import Again
from gradcli.execution.forward.choices import chosen
from gradcli.execution.forward.rerun import again
from gradcli.execution.forward.trace import TracedTensor, traced_in
from gradcli.execution.run import Run
from gradcli.execution.witnesses.agreement import BEHIND_ROUNDING, BETWEEN, KINKED
from gradcli.execution.witnesses.chained_sides import Sided
from gradcli.execution.witnesses.coarse import takes_no_step
from gradcli.execution.witnesses.decisions import Decisions
from gradcli.execution.witnesses.grain import (
    Grain,
    absorbs,
    entries_on_the_way,
    grain_of,
    hidden_steps_of,
    hides_steps_of,
)
from gradcli.execution.witnesses.jumps_in_reach import stay_within
from gradcli.execution.witnesses.line import Values
from gradcli.execution.witnesses.nearer import CLEAR
from gradcli.execution.witnesses.noise import noise_of
from gradcli.execution.witnesses.question import Question, Witness, checked, voting, witnesses
from gradcli.report.report import WitnessReport
from gradcli.report.verdict import Verdict
from gradcli.tolerance import Tolerance
from gradcli.witnesses import DIFFERENCES

DOUBLE = Tolerance.of("float64")

# In a program with more calls than this only leaves are checked: each tensor takes runs of what follows it.
MOST_CALLS = 64
# A gradient that is no larger than this part of the terms of the output is 0 but for rounding.
NEGLIGIBLE = 2.0**-42


@dataclass(frozen=True, slots=True)
class NumericalVerdict:
    """What the numerical witnesses say of autograd's gradient of one tensor."""

    witnesses: dict[str, WitnessReport]
    against_symbolic: frozenset[str]
    """The witnesses that say that the symbolic derivative is wrong."""
    conventions: tuple[str, ...] = ()
    """What ops of the program do to a gradient beside what they compute, which no witness knows."""
    decides: bool = False
    """Whether the program decides something otherwise next to the point, or an op jumps: known where it matters."""
    decides_in_reach: bool = False
    """Whether it does so further away, and the quotients' steps reach there: known where they deny the gradient."""
    hides_decision: bool = False
    """Whether it does by an entry at whose gradient the quotients cannot look, so far off they may be."""
    cancels: bool = False
    """Whether the kinks of ops are known to be none by this tensor."""
    steep: bool = False
    """Whether it is known that the program is infinitely steep to a side."""
    hides_steps: bool = False
    """Whether an op that jumps, or what the program decides, is lost beside numbers that are too large for it."""
    stays_within: bool = False
    """Whether the output is the same all the same on the next stairs of that op."""
    jumps_alone: bool = False
    """Whether one op jumps, and all after it is smooth: then the program does, be it that no step shows it."""
    hides_jump: bool = False
    """Whether the jump of an op is less than what rounding leaves of the output, or out of reach."""
    is_out_of_reach: bool = False
    """Whether no step is both short enough to see it alone and long enough to move what the op reads."""
    is_continuous: bool = False
    """Whether the program is known not to jump where an op does, though its slopes are not known well."""
    is_flat: bool = False
    """Whether the program is known not to jump where an op does, though quotients are not accurate enough to tell."""
    absorbs: bool = False
    """Whether a sum on the way lacks a term that is too small beside it, where a witness denies the gradient."""
    beside: bool = False
    """Whether no op bends or jumps at the point, within rounding: what quotients see of a kink is beside it."""
    is_defined: bool = False
    """Whether, where the symbolic derivative is NaN, all values are what the definitions make: there may be one."""
    sided: Sided = Sided.UNKNOWN
    """What the one-sided derivatives of the program's calls say of it, where that was asked."""
    size: float = 1.0
    """The size of the gradient."""

    @property
    def voting(self) -> dict[str, WitnessReport]:
        """Return what those say that know what the function's derivative is."""
        return voting(self.witnesses)

    @property
    def inconsistent(self) -> list[str]:
        """Return the names of the others that say that autograd is not consistent with itself."""
        denied = {name for name, report in self.witnesses.items() if report.verdict is Verdict.MISMATCH}
        return [name for name in self.witnesses if name in denied - self.voting.keys()]

    def by(self, *verdicts: Verdict) -> list[str]:
        """Return the names of the witnesses that came to one of these verdicts."""
        return [name for name, report in self.voting.items() if report.verdict in verdicts]

    @property
    def smooth(self) -> bool:
        """Return whether the gradient is that of a function without a kink, by the quotients of every entry."""
        found = self.witnesses.get(DIFFERENCES)
        if self.sided in {Sided.KINK, Sided.BETWEEN, Sided.LOST}:  # by less than quotients show
            return False
        agree = all(report.verdict in {Verdict.MATCH, Verdict.UNDECIDED} for report in self.voting.values())
        if not agree or found is None or found.verdict is not Verdict.MATCH:
            return False
        return found.projections is None and self.is_within(self.size or 1.0)

    @property
    def blind(self) -> bool:
        """Return whether a witness sees a kink, and not whether it is at the point, or can take no step to see one."""
        coarse = [name for name, report in self.witnesses.items() if takes_no_step(report)]
        if DIFFERENCES in coarse or (coarse and not self.is_within(max(self.size or 1.0, 1.0))):
            return True
        return any(report.notes in (BEHIND_ROUNDING, BETWEEN) for report in self.witnesses.values())

    def is_within(self, size: float) -> bool:
        """Return whether the quotients are off by little, beside a number of this size."""
        return _are_within(self.witnesses, size)

    @property
    def between(self) -> bool:
        """Return whether it is so, and the gradient is one of the choices at that kink."""
        return any(report.notes == BETWEEN for report in self.witnesses.values())

    @property
    def kinked(self) -> bool:
        """Return whether a witness sees a kink, and not whether the gradient is one of the choices there."""
        return any(report.notes == KINKED for report in self.witnesses.values())

    @property
    def unsure(self) -> bool:
        """Return whether the program decides something at the point, and quotients cannot tell what comes of it."""
        found = self.witnesses.get(DIFFERENCES)
        vague = {Verdict.UNDECIDED} if self.is_within(self.size or 1.0) else {Verdict.UNDECIDED, Verdict.MATCH}
        return self.decides and found is not None and found.verdict in vague

    @property
    def level(self) -> bool:
        """Return whether it is that of a function without a jump, either: one that they would have seen."""
        error = self.witnesses[DIFFERENCES].estimated_error if self.smooth else None
        return error is not None and error <= CLEAR

    @property
    def agreeing(self) -> list[str]:
        """Return the names of the witnesses by which the gradient is right."""
        return [name for name, report in self.voting.items() if report.verdict.passes]


@dataclass(frozen=True)
class NumericalWitnesses:
    """The numerical witnesses of one run; without slots, to keep the noise."""

    run: Run
    rerun: Again
    tolerance: Tolerance
    witnesses: Mapping[str, Witness]

    @staticmethod
    def of(run: Run, names: Sequence[str]) -> NumericalWitnesses:
        """Return the numerical witnesses among `names`."""
        rerun = again(run.program, run.settings, run.trace)
        return NumericalWitnesses(run, rerun, run.settings.tolerance, witnesses(names))

    @property
    def cotangent(self) -> Tensor:
        """Return the upstream gradient, on the CPU, where the program runs again."""
        return self.run.cotangent.cpu()

    @cached_property
    def grain(self) -> Grain:
        """Return what is known of the program, with how far rounding on the way may move its output."""
        return dataclasses.replace(self.without_noise, noise=noise_of(self.rerun, self.cotangent))

    @cached_property
    def without_noise(self) -> Grain:
        """Return what is known of the program; that takes no time."""
        return grain_of(self.rerun)

    def check(
        self,
        traced: TracedTensor,
        gradient: Tensor,
        reference: Tensor | None,
        *,
        bends: bool = False,
        jumps: bool = False,
        excused: float = 0.0,
    ) -> NumericalVerdict | None:
        """Return what the witnesses say of a tensor's gradient; None if it is not looked at.

        `reference` is the symbolic derivative where that is another: which of the two the witnesses side with.
        `bends` and `jumps` say that a kink, or a jump of an op, is known of, and `excused` how far off rounding may
        have moved the gradient.
        """
        gradient = gradient.cpu()
        if not traced.is_leaf and len(self.run.trace.calls) > MOST_CALLS:
            return None
        question = self.question(traced)
        if question is None:
            return None
        question = dataclasses.replace(question, bends=bends, jumps=jumps, excused=excused)
        question, reports = self._checked(question, gradient)
        doubted = {} if reference is None else checked(self.witnesses, self._noisy(question), reference, DOUBLE)
        against = frozenset(name for name, report in voting(doubted).items() if report.verdict is Verdict.MISMATCH)
        conventions = dict.fromkeys(call.op.convention for call in self.run.trace.calls if call.op.convention)
        verdicts = {report.verdict for report in voting(reports).values()}
        size = float(gradient.abs().nan_to_num(0.0, 0.0, 0.0).max()) if gradient.numel() else 0.0
        size = size if size > NEGLIGIBLE * question.line.magnitude else 0.0  # it is what rounding left of 0
        vague = not verdicts.isdisjoint({Verdict.MISMATCH, Verdict.UNDECIDED}) or not _are_within(reports, size or 1.0)
        decides = (jumps and Verdict.MISMATCH in verdicts) or (vague and self.decisions.by(traced))
        hidden, decided = jumps and hides_steps_of(self.run.trace, traced), self.decisions.by_hidden_steps(traced)
        hides_decision = bends and self._hides_decision(question, traced, gradient, verdicts)
        return NumericalVerdict(
            reports,
            against,
            tuple(conventions),
            decides=decides,
            hides_decision=hides_decision,
            hides_steps=hidden or decided,
            stays_within=hidden and not decided and self._stays_within(traced),
            decides_in_reach=Verdict.MISMATCH in verdicts and not decides and self.decisions.in_reach(traced),
            absorbs=Verdict.MISMATCH in verdicts and absorbs(self.run.trace, traced),
            size=size,
        )

    def _stays_within(self, traced: TracedTensor) -> bool:
        """Return whether the output is the same on the next of the stairs that are hidden on a tensor's way."""
        trace = self.run.trace
        return stay_within(self.rerun, traced, at_jumps_after(trace, traced), hidden_steps_of(trace, traced))

    def _hides_decision(
        self, question: Question, traced: TracedTensor, gradient: Tensor, verdicts: AbstractSet[Verdict]
    ) -> bool:
        """Return whether a decision is hidden from the witnesses that came to these verdicts."""
        if verdicts == {Verdict.MATCH} and self.decisions.unseen(question, traced, gradient):
            return True
        return verdicts <= {Verdict.MATCH, Verdict.UNDECIDED} and self.decisions.hidden(traced)

    def _checked(self, question: Question, gradient: Tensor) -> tuple[Question, dict[str, WitnessReport]]:
        """Return what the witnesses say, and what they were asked.

        Away from kinks that is without the noise if all agree: it would excuse, not deny.
        """
        if not (question.bends or question.jumps):
            reports = checked(self.witnesses, question, gradient, self.tolerance)
            if all(report.verdict is Verdict.MATCH for report in reports.values()):
                return question, reports
        noisy = self._noisy(question)
        return noisy, checked(self.witnesses, noisy, gradient, self.tolerance)

    @cached_property
    def _chooses_otherwise(self) -> bool:
        """Return whether the program is another function in double precision, by choices of an algorithm."""
        calls = self.run.trace.calls
        return any(chosen(call, [self.rerun.value(traced) for traced in traced_in(call.result)]) for call in calls)

    def _noisy(self, question: Question) -> Question:
        return dataclasses.replace(question, grain=self.grain)

    @cached_property
    def decisions(self) -> Decisions:
        """Return what the program decides next to the point."""
        return Decisions(self.run, self.rerun, self.without_noise)

    def question(self, traced: TracedTensor) -> Question | None:
        """Return the run as a function of one tensor, whose noise is not known yet.

        None if the program does not make it in double precision, or chooses other signs there than it did.
        """
        name, value = self.run.names[traced], self.rerun.value(traced)
        if value is None or self._chooses_otherwise:
            return None

        def function(tensors: Values) -> Tensor:
            return self.rerun.output({traced: tensors[name]})

        is_costly = self.run.trace.ran is not None
        made = entries_on_the_way(traced, self.run.trace)
        known = function, {name: value}, name, self.cotangent, self.without_noise
        question = Question(*known, is_costly=is_costly, on_the_way=made)
        return dataclasses.replace(question, decides=question.is_coarse and self.decisions.by(traced))


def _are_within(reports: Mapping[str, WitnessReport], size: float) -> bool:
    """Return whether the quotients are off by little, beside a number of this size."""
    found = reports.get(DIFFERENCES)
    error = None if found is None else found.estimated_error
    return error is not None and error <= CLEAR * size
