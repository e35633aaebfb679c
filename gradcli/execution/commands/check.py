"""`check`: a program at one or several points, each gradient compared with every witness asked for."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

from gradcli.derivation.derivations import Derivations
from gradcli.execution.comparison.evaluation import Evaluation, evaluate_run
from gradcli.execution.comparison.failing import failing_part, suspected
from gradcli.execution.forward.followed import Ran
from gradcli.execution.forward.overwriting import Write
from gradcli.execution.forward.sampling import run_at_a_point
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.run import Run, report, start_from
from gradcli.execution.targets.frames import defined_at
from gradcli.execution.witnesses.bends import where_it_bends, witnessed
from gradcli.execution.witnesses.claims_at_kinks import judged_claims
from gradcli.execution.witnesses.consensus_notes import ELSE
from gradcli.execution.witnesses.elsewhere import look_further
from gradcli.execution.witnesses.high_precision import arbitrate
from gradcli.execution.witnesses.numerical_verdict import NumericalWitnesses
from gradcli.execution.witnesses.other_dtype import explained
from gradcli.progress import stage
from gradcli.report.check import CheckDetails, Point
from gradcli.report.comparison import Claim
from gradcli.report.custom import SourcePlace
from gradcli.report.notes import NoteKind, led, noted
from gradcli.report.report import Report, TensorReport
from gradcli.report.verdict import Verdict, fails, worst
from gradcli.settings import Settings
from gradcli.witnesses import SYMBOLIC, TRANSFORMATIONS

# How much of the time numerical witnesses may take; they look at the leaves first.
SHARE = 0.4
UNASKED = noted(
    NoteKind.SCOPE,
    "finite differences and the Taylor remainder were not asked, for lack of time: `--timeout` gives more, and "
    "`--leaves` leaves out the non-leaves",
)
LEFT = "for autograd it is a constant, and the output may depend on it; `.detach()` says that it is one"
# The verdicts that are explained by what autograd takes for a constant.
EXPLAINED = frozenset({Verdict.MATCH, Verdict.SUBGRADIENT, Verdict.UNDECIDED})
FURTHER = noted(NoteKind.SCOPE, "at one of the further points, which has the values above")


def check(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Report:
    """Return the report of the first point with the worst verdict; `points` lists all of them, if there are several."""
    points: list[Point] = []
    gravest: Report | None = None
    for seed in range(settings.seed, settings.seed + settings.points):
        found = _check_at(program, settings.having(seed=seed), given, derivations)
        points.append(Point(found.seed, found.verdict))
        gravest = _graver(gravest, found)
    assert gravest is not None  # noqa: S101 (there is a first point)
    known = any(point.verdict is Verdict.MISMATCH for point in points)
    stage("looking at further points")
    further, wrong = (0, None) if known else look_further(program, settings, given, derivations)
    if wrong is not None:
        gravest = _graver(gravest, _wrong_at(wrong))
    several = tuple(points) if len(points) > 1 else None
    if several is None and not further:
        return gravest
    details = gravest.details if isinstance(gravest.details, CheckDetails) else CheckDetails()
    details = dataclasses.replace(details, points=several, further_points=further or None)
    return dataclasses.replace(gravest, details=details)


def _graver(first: Report | None, other: Report) -> Report:
    """Return the report with the worse verdict, the first of two that have the same."""
    return other if first is None or other.verdict.rank > first.verdict.rank else first


def _check_at(program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations) -> Report:
    """Return the report of one point: the one that the seed draws, unless values are given."""
    trace = run_at_a_point(program, settings, given)
    symbolic = settings.verify and SYMBOLIC in settings.witnesses
    return _report(start_from(program, settings.having(verify=symbolic), trace, derivations), settings)


def _wrong_at(run: Run) -> Report:
    """Return the report of a further point at which something is wrong, which says that it is one."""
    found = _report(run, run.settings)
    tensors = [
        dataclasses.replace(tensor, notes=(*FURTHER, *tensor.notes)) if tensor.verdict is Verdict.MISMATCH else tensor
        for tensor in found.tensors
    ]
    return dataclasses.replace(found, tensors=tuple(tensors))


def _report(run: Run, settings: Settings) -> Report:
    """Return what every witness asked for says of a run."""
    stage("comparing autograd with the symbolic derivative")
    evaluation = evaluate_run(run, witnessed=settings.verify)
    details = CheckDetails(grad_output=run.cotangent if run.settings.grad_output == "random" else None)
    reports = dict(evaluation.reports)
    if settings.verify:
        reports = _with_reasons(run, evaluation, _with_witnesses(run, evaluation))
    reports = {traced: _with_constants(run, found) for traced, found in reports.items()}
    for traced, claim in judged_claims(run, evaluation).items():
        reports[traced] = _with_claim(reports[traced], claim)
    followed = reports  # a step is known to be wrong only where the code was followed
    if settings.verify and settings.under:
        from gradcli.execution.witnesses.transformed import transformed  # few ask for it

        reports = transformed(run, evaluation, reports)
    found = report(run, list(reports.values()), details)
    source = _failing_place(run, evaluation, followed, found.verdict) or _place_under(run, reports)
    details = dataclasses.replace(details, source=source)
    # The run's own `verify` says whether there is a symbolic derivative.
    return dataclasses.replace(found, details=details, verify=settings.verify)


def _failing_place(
    run: Run, evaluation: Evaluation, reports: Mapping[TracedTensor, TensorReport], verdict: Verdict
) -> SourcePlace | None:
    """Return the line of the code where a check fails; None of what passes, or of what is no code."""
    if not fails(verdict):
        return None
    failed = {traced for traced, report in reports.items() if report.verdict is verdict}
    comparisons = evaluation.comparisons
    part = failing_part(run.trace, failed, lambda part: comparisons is not None and comparisons.is_wrong(part))
    return None if part is None else part.place


def _place_under(run: Run, reports: Mapping[TracedTensor, TensorReport]) -> SourcePlace | None:
    """Return a line for what fails under a transformation alone, where single steps are not judged.

    It is that of the Function which may be to blame by the leaves that fail, or else where the code is defined.
    """
    failed = {traced for traced, found in reports.items() if found.dissenter in TRANSFORMATIONS}
    if not failed:
        return None
    from gradcli.execution.code.program import CodeProgram  # where a run is of code, it is loaded

    if not isinstance(run.program, CodeProgram):
        return None
    right = {traced for traced, found in reports.items() if traced.is_leaf and found.verdict is Verdict.MATCH}
    step, target = suspected(run.trace, failed, right), run.program.target
    if step is not None:
        return step.place
    return defined_at(target.call if target.module is None else target.module.forward)


def _with_witnesses(run: Run, evaluation: Evaluation) -> dict[TracedTensor, TensorReport]:
    """Return the tensors' reports with what the numerical witnesses say."""
    if {*run.settings.witnesses} <= {SYMBOLIC}:
        bent = where_it_bends(run, evaluation)
        return {t: dataclasses.replace(one, witnesses={}) if one.witnesses is None else one for t, one in bent.items()}
    reports = dict(evaluation.reports)
    witnesses = NumericalWitnesses.of(run, run.settings.witnesses)
    until = time.monotonic() + run.settings.timeout * SHARE / run.settings.points
    for number, (traced, unasked) in enumerate(list(reports.items()), 1):
        stage(f"asking the witnesses about {unasked.name}, {number} of {len(reports)}")
        if time.monotonic() > until:
            reports[traced] = dataclasses.replace(unasked, notes=(*unasked.notes, *UNASKED))
            continue
        found = witnessed(witnesses, evaluation, traced)
        reports[traced] = unasked if found.witnesses is None else found
    return reports


def _with_reasons(
    run: Run, evaluation: Evaluation, reports: dict[TracedTensor, TensorReport]
) -> dict[TracedTensor, TensorReport]:
    """Return the tensors' reports with what 50 digits and a different precision say of the mismatches."""
    wrong = {traced: found for traced, found in reports.items() if found.verdict is Verdict.MISMATCH}
    if not wrong or evaluation.comparisons is None:
        return reports
    settled = arbitrate(run, evaluation.comparisons) if run.settings.dtype == "float64" else None
    comparisons = evaluation.comparisons
    altered = {found.name for traced, found in wrong.items() if comparisons.culprits.altered(traced)}
    words = explained(run, {found.name: found for found in wrong.values()}, altered)
    culprit = comparisons.divergent()
    for traced, found in wrong.items():
        nearest = culprit is not None and traced in culprit.inputs and not comparisons.culprits.acquits(traced)
        exact = noted(NoteKind.ROUNDING, settled.words if settled and nearest else None)
        notes = (*found.notes, *exact, *noted(NoteKind.ROUNDING, words.get(found.name)))
        dissenter = found.dissenter or (settled.dissenter if settled else None)
        reports[traced] = dataclasses.replace(found, notes=notes, dissenter=dissenter)
    return reports


def _with_constants(run: Run, found: TensorReport) -> TensorReport:
    """Return a tensor's report; no pass where code took for a constant by what the output changes too.

    That code wrote past autograd, which takes what that changes for constant, is said beside the verdict.
    """
    ran = run.trace.ran
    if ran is None or not (ran.constants or ran.unseen) or not _is_explained(found, ran):
        return found
    others = tuple(note for note in found.notes if note not in ELSE)  # this is why difference quotients are others
    if not ran.constants:
        notes = noted(NoteKind.SCOPE, _past(ran.unseen[0])) if found.kind == "leaf" else ()
        verdict = Verdict.UNDECIDED if found.dissenter == "symbolic" else found.verdict
        return dataclasses.replace(found, verdict=verdict, notes=(*notes, *others))
    notes = noted(NoteKind.SCOPE, f"{ran.constants[0].said()}: {LEFT}")
    return dataclasses.replace(found, verdict=Verdict.UNDECIDED, notes=(*notes, *others))


def _is_explained(found: TensorReport, ran: Ran) -> bool:
    """Return whether what code took for a constant may be why it is so; a mismatch only if that was written over."""
    return found.verdict in EXPLAINED or (found.verdict is Verdict.MISMATCH and bool(ran.unseen) and not ran.constants)


def _past(write: Write) -> str:
    where = "" if write.place is None else f" at {write.place.file}:{write.place.line}"
    return f"`{write.text}`{where} writes {write.past}, past autograd, which takes the change for a constant"


def _with_claim(found: TensorReport, claim: Claim) -> TensorReport:
    """Return a tensor's report with what its claim comes to; that nothing but a claim agrees is no match."""
    alone = found.verdict is None and claim.verdict.passes
    verdict = None if alone else worst([claim.verdict, found.verdict])
    is_nan = claim.verdict is Verdict.UNDEFINED and found.verdict is not None and found.verdict.passes
    dissents = is_nan or (claim.verdict is Verdict.MISMATCH and found.verdict is not Verdict.MISMATCH)
    dissenter = "claim" if dissents else found.dissenter
    notes = (*found.notes, *led(f"claim {claim.text}: ", claim.comparison.notes))
    return dataclasses.replace(found, claim=claim, dissenter=dissenter, verdict=verdict, notes=notes)
