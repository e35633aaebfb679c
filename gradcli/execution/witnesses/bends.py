"""Where a program bends or jumps, its own difference quotients have the last word on a gradient.

The symbolic side decides at each kink by itself, and treats what the program decides by its values as constant: kinks
that cancel, or a maximum written with `where`, are seen only by the program as a whole.
"""

from __future__ import annotations

import dataclasses
import time

import torch

from gradcli.execution.comparison.evaluation import Evaluation
from gradcli.execution.comparison.gradients import GradientComparison
from gradcli.execution.comparison.jump_sizes import at_jumps_after, least_jump, least_slope
from gradcli.execution.comparison.last_bits_of_results import are_defined, is_away_from_kinks
from gradcli.execution.comparison.reports import contradicted_by
from gradcli.execution.comparison.ties import SECONDS, ties_of, with_ties
from gradcli.execution.comparison.within_rounding import ROUNDING
from gradcli.execution.forward.dtypes import double
from gradcli.execution.forward.finite import all_finite, has_nan
from gradcli.execution.forward.retrace import Retrace
from gradcli.execution.forward.trace import TracedTensor, traced_in
from gradcli.execution.run import Run
from gradcli.execution.witnesses.cancelled_kinks import kinks_cancel
from gradcli.execution.witnesses.chained_sides import Sided, has_no_kinks, look
from gradcli.execution.witnesses.chance import CHANCE, rests_on_chance
from gradcli.execution.witnesses.consensus import consensus, is_nan_alone
from gradcli.execution.witnesses.decisions import decides
from gradcli.execution.witnesses.in_double import IN_DOUBLE, is_rounded
from gradcli.execution.witnesses.jumps import is_continuous, is_hidden, is_level, shortest_steps, steep
from gradcli.execution.witnesses.jumps_in_reach import is_tiny, moves
from gradcli.execution.witnesses.numerical_verdict import NumericalVerdict, NumericalWitnesses
from gradcli.execution.witnesses.unsteady import left_open
from gradcli.language.branching import may_branch
from gradcli.language.program import Program
from gradcli.report.report import TensorReport
from gradcli.report.verdict import Verdict
from gradcli.witnesses import DIFFERENCES

# How much of the time that may take.
SHARE = 0.4
# By each entry of a tensor that has more, the slope is not looked at.
MOST_ENTRIES = 64
DENIALS = frozenset({Verdict.MISMATCH, Verdict.UNDEFINED})
KINKED = frozenset({Sided.KINK, Sided.BETWEEN})
OPEN = frozenset({Verdict.MATCH, Verdict.SUBGRADIENT, Verdict.MISMATCH})


def where_it_bends(run: Run, evaluation: Evaluation) -> dict[TracedTensor, TensorReport]:
    """Return the tensors' reports, with what finite differences say where there is a kink, a jump or a decision."""
    reports = dict(evaluation.reports)
    comparisons = evaluation.comparisons
    if comparisons is None:
        return reports
    bent = comparisons.reference.kinked or comparisons.steps or decides(run.trace)
    known = bent or ties_of(run.trace)
    open_to = [t for t, report in reports.items() if known and (report.verdict in OPEN or t in comparisons.jumping)]
    open_to += [traced for traced in reports if traced in comparisons.hinging]
    unknown = [traced for traced, report in reports.items() if _lacks(report)]
    witnesses = NumericalWitnesses.of(run, [DIFFERENCES]) if open_to or unknown else None
    unknown = unknown if witnesses is not None and _has_value(witnesses) else []
    share = run.settings.timeout * SHARE
    until, looked = time.monotonic() + (share if bent or unknown else min(share, SECONDS)), set[TracedTensor]()
    for traced in (*open_to, *unknown):
        if time.monotonic() > until:
            break
        looked |= {traced} if witnesses is not None and witnesses.rerun.value(traced) is not None else set()
        if witnesses is not None and (traced in unknown or bends(witnesses, comparisons, traced)):
            reports[traced] = dataclasses.replace(witnessed(witnesses, evaluation, traced), witnesses=None)
    return with_ties(run.trace, reports, looked)


def _of_the_calls(witnesses: NumericalWitnesses, traced: TracedTensor) -> NumericalWitnesses:
    """Return the witnesses of a tensor that code makes on the way: of the code's calls, where these are all of it."""
    rerun = None if traced.is_leaf or witnesses.rerun.value(traced) is not None else Retrace.of(witnesses.rerun)
    return witnesses if rerun is None else dataclasses.replace(witnesses, rerun=rerun)


def _has_value(witnesses: NumericalWitnesses) -> bool:
    """Return whether an entry of the output is finite: there is no difference from what is not."""
    value = witnesses.rerun.value(witnesses.run.trace.output)
    return value is None or bool(value.isfinite().any())


def _lacks(report: TensorReport) -> bool:
    """Return whether there is no symbolic derivative where a gradient is NaN, or only that derivative is NaN."""
    if report.symbolic is not None and report.symbolic.comparison.is_finite:
        return False
    if report.gradient is None or not has_nan(report.gradient):
        return is_nan_alone(report)
    own = None if report.symbolic is None else report.symbolic.value
    return (
        own is None or own.shape != report.gradient.shape or not bool((report.gradient.isnan() & own.isfinite()).any())
    )


def bends(witnesses: NumericalWitnesses, comparisons: GradientComparison | None, traced: TracedTensor) -> bool:
    """Return whether the program has a kink, a jump or a decision on the way of a tensor's gradient."""
    known = comparisons is not None and (
        traced in comparisons.reference.kinked or traced in comparisons.hinging or _steps(comparisons, traced)
    )
    return known or _decides(witnesses, traced)


def _decides(witnesses: NumericalWitnesses, traced: TracedTensor) -> bool:
    return witnesses.decisions.by(traced) or witnesses.decisions.by_hidden_steps(traced)


def _steps(comparisons: GradientComparison | None, traced: TracedTensor) -> bool:
    """Return whether an op on the way of a tensor is where its value jumps, be it that no gradient passes there."""
    return comparisons is not None and comparisons.steps and any(at_jumps_after(comparisons.trace, traced))


def witnessed(witnesses: NumericalWitnesses, evaluation: Evaluation, traced: TracedTensor) -> TensorReport:
    """Return a tensor's report with what the numerical witnesses say of autograd's gradient.

    What they deny may be what rounding did to autograd's gradient and the symbolic derivative alike.
    """
    report, gradient = evaluation.reports[traced], evaluation.gradients.get(traced)
    if gradient is None:
        return report
    if witnesses.rerun.is_unsteady:
        return left_open(report, witnesses.witnesses) if traced in witnesses.rerun.leaves else report
    comparisons, against = evaluation.comparisons, contradicted_by(report)
    jumps = comparisons is not None and traced in comparisons.jumping
    if jumps and not all_finite(witnesses.run.output.tensor):
        return report  # beside an infinity no jump is seen
    witnesses = _of_the_calls(witnesses, traced) if jumps else witnesses
    at_kink = bends(witnesses, comparisons, traced)
    steps = _steps(comparisons, traced)
    verdict = witnesses.check(traced, gradient, against, bends=at_kink, jumps=steps)
    if verdict is None:
        return report
    passes = report.verdict is not None and report.verdict.passes
    if passes and comparisons is not None and verdict.by(Verdict.MISMATCH):
        rounding = comparisons.rounding(traced)
        again = witnesses.check(traced, gradient, against, bends=at_kink, jumps=steps, excused=rounding)
        if again is not None and not again.by(Verdict.MISMATCH):
            return consensus(dataclasses.replace(report, notes=report.notes or ROUNDING), again)
    if comparisons is not None and jumps:
        verdict = _at_jump(witnesses, comparisons, traced, verdict)
    said = consensus(report, _looked_into(witnesses, evaluation, traced, verdict), jumps=jumps)
    if said.verdict is Verdict.MISMATCH and is_rounded(witnesses, report, traced, bends=at_kink, jumps=steps):
        return dataclasses.replace(said, verdict=Verdict.UNDECIDED, dissenter=None, notes=(*report.notes, *IN_DOUBLE))
    if said.verdict in DENIALS and (jumps or passes) and rests_on_chance(witnesses.rerun, traced):
        return dataclasses.replace(said, verdict=Verdict.UNDECIDED, dissenter=None, notes=CHANCE)
    return said


def _at_jump(
    witnesses: NumericalWitnesses, comparisons: GradientComparison, traced: TracedTensor, verdict: NumericalVerdict
) -> NumericalVerdict:
    """Return what the witnesses say where an op jumps; with whether that jump is lost in rounding, or is none."""
    alone = _jumps_alone(comparisons, traced) and not witnesses.decisions.by(traced)
    verdict = dataclasses.replace(verdict, jumps_alone=alone)
    question, gradient = witnesses.question(traced), comparisons.gradients.get(traced)
    if question is None or gradient is None or gradient.is_complex() or gradient.numel() > MOST_ENTRIES:
        return verdict
    line = dataclasses.replace(question, grain=witnesses.grain).line
    gradients = comparisons.point.completed(comparisons.gradients)
    jump = least_jump(comparisons.trace, traced, gradients, comparisons.lost)
    if is_hidden(line, jump):
        return dataclasses.replace(verdict, hides_jump=True)
    if not moves(witnesses.rerun, traced, shortest_steps(line)):
        return dataclasses.replace(verdict, hides_jump=True, is_out_of_reach=True)
    own, every = double(gradient.detach().cpu()), torch.eye(gradient.numel(), dtype=torch.float64)
    verdict = dataclasses.replace(verdict, is_continuous=not verdict.hides_steps and is_continuous(line, every, jump))
    known = traced in comparisons.reference.values and traced not in comparisons.reference.kinked
    if not known or comparisons.compare(traced, own, comparisons.tolerance).verdict is not Verdict.MATCH:
        return verdict
    return dataclasses.replace(verdict, is_flat=is_level(line, every, own.reshape(-1), jump))


def _jumps_alone(comparisons: GradientComparison, traced: TracedTensor) -> bool:
    """Return whether one op at a jump reads a tensor alone, with as many results, and no other and no kink is after it.

    What is between a tensor and such an op may have no slope there: floor(x**2) does not jump at 0.
    """
    calls, kinked = [*at_jumps_after(comparisons.trace, traced)], comparisons.reference.kinked
    if len(calls) != 1 or len(calls[0].outputs) != 1:
        return False
    read = traced_in([calls[0].arguments.positional, calls[0].arguments.keywords])
    output, moving = calls[0].outputs[0], [one for one in read if one is traced or not one.is_leaf]
    return moving == [traced] and output.tensor.shape == traced.tensor.shape and output not in kinked


def _looked_into(
    witnesses: NumericalWitnesses, evaluation: Evaluation, traced: TracedTensor, verdict: NumericalVerdict
) -> NumericalVerdict:
    """Return what the witnesses say; where they cannot tell, with what the program's calls say, one after the other.

    If these do not either, with whether an op's kink cancels, or is steep.
    """
    report, decomposition = evaluation.reports[traced], witnesses.run.decomposition
    if report.verdict is Verdict.MISMATCH:
        return _of_a_mismatch(witnesses, evaluation, traced, verdict)
    if decomposition is None or not _is_open(witnesses, evaluation, traced, verdict):
        return verdict
    sided = _by_calls(witnesses, evaluation, traced)
    if verdict.hides_jump and sided is Sided.LOST:  # in rounding, as the jump is
        return verdict
    if verdict.is_out_of_reach and is_tiny(traced.tensor.detach()):  # by underflow, which these meet, too
        return verdict
    if verdict.smooth and verdict.size and sided not in KINKED:  # but for a kink that is much less than the gradient
        return verdict
    verdict = dataclasses.replace(verdict, sided=sided, steep=sided is Sided.STEEP, is_defined=is_nan_alone(report))
    known = sided in {Sided.SMOOTH, Sided.OTHER, Sided.JUMP, Sided.STEEP} or report.verdict is not Verdict.SUBGRADIENT
    if known or verdict.smooth or witnesses.decisions.by(traced):
        return verdict
    cancels = sided is Sided.UNKNOWN and kinks_cancel(witnesses.rerun, decomposition, traced)
    return dataclasses.replace(verdict, cancels=cancels, steep=not cancels and _is_steep(witnesses, report, traced))


def _of_a_mismatch(
    witnesses: NumericalWitnesses, evaluation: Evaluation, traced: TracedTensor, verdict: NumericalVerdict
) -> NumericalVerdict:
    """Return what the witnesses say, with whether a kink that they see is none, or one that they do not see is there.

    Of a kink the symbolic derivative is one of the choices: autograd's may be another.
    """
    comparisons = evaluation.comparisons
    if verdict.by(Verdict.SUBGRADIENT):
        away = not _steps(comparisons, traced) and _is_beside(witnesses, comparisons, traced)
        return dataclasses.replace(verdict, beside=away)
    kinked = comparisons is not None and traced in comparisons.reference.kinked
    blind = not verdict.is_within(verdict.size or 1.0)
    if kinked and blind and _by_calls(witnesses, evaluation, traced) is Sided.BETWEEN:
        return dataclasses.replace(verdict, sided=Sided.BETWEEN)
    return verdict


def _is_open(
    witnesses: NumericalWitnesses, evaluation: Evaluation, traced: TracedTensor, verdict: NumericalVerdict
) -> bool:
    """Return whether quotients leave open that a program bends or jumps, or say so where no op of it does.

    Where they show no slope at all, or one much less than others, there may be a kink that is less than rounding; and
    one that they show may be what rounding makes of a gradient that is 0.
    """
    report, comparisons = evaluation.reports[traced], evaluation.comparisons
    if is_nan_alone(report):
        return not verdict.smooth and comparisons is not None and are_defined(comparisons.point)
    if verdict.by(Verdict.MISMATCH):  # by steps that may be too long for a kink beside the point
        return report.verdict is Verdict.SUBGRADIENT and not _steps(comparisons, traced)
    if verdict.by(Verdict.SUBGRADIENT, Verdict.UNDEFINED) or (verdict.kinked and report.verdict is Verdict.MATCH):
        if report.verdict is Verdict.SUBGRADIENT:
            return not verdict.size and not verdict.by(Verdict.UNDEFINED)
        away = report.verdict is Verdict.MATCH and not _steps(comparisons, traced)
        return away and _is_beside(witnesses, comparisons, traced)
    if report.verdict is Verdict.SUBGRADIENT:
        return not verdict.smooth or not verdict.size or not verdict.is_within(least_slope(evaluation.gradients))
    if report.verdict is Verdict.MATCH and (verdict.unsure or verdict.hides_steps):
        return True
    steps = _steps(comparisons, traced) or (comparisons is not None and traced in comparisons.jumping)
    shown = verdict.level and not verdict.hides_jump
    return report.verdict in {Verdict.MATCH, Verdict.UNDEFINED} and steps and not shown


def _is_beside(witnesses: NumericalWitnesses, comparisons: GradientComparison | None, traced: TracedTensor) -> bool:
    """Return whether a kink or a jump that quotients see is beside the point: no op has one here, within rounding."""
    if comparisons is None or has_no_kinks(comparisons.point.decomposition, traced):
        return comparisons is not None
    return not witnesses.decisions.by(traced) and is_away_from_kinks(comparisons.point, traced)


def _by_calls(witnesses: NumericalWitnesses, evaluation: Evaluation, traced: TracedTensor) -> Sided:
    """Return what the one-sided derivatives of the program's calls say of autograd's gradient."""
    comparisons, gradient = evaluation.comparisons, evaluation.gradients.get(traced)
    if comparisons is None or gradient is None or traced in comparisons.hinging:
        return Sided.UNKNOWN
    program = witnesses.run.program
    if (not isinstance(program, Program) or may_branch(program)) and _decides(witnesses, traced):
        return Sided.UNKNOWN
    return look(comparisons.point, traced, gradient)


def _is_steep(witnesses: NumericalWitnesses, report: TensorReport, traced: TracedTensor) -> bool:
    """Return whether the slope by an entry is infinite to a side, which no gradient shows at a kink."""
    question, gradient = witnesses.question(traced), report.gradient
    if question is None or gradient is None or gradient.is_complex() or gradient.numel() > MOST_ENTRIES:
        return False
    every = torch.eye(gradient.numel(), dtype=torch.float64)
    question = dataclasses.replace(question, grain=witnesses.grain)
    return bool(steep(question.line, every, gradient.detach().reshape(-1).to(torch.float64)).any())
