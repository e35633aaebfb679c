"""What the symbolic derivative says at further points: a gradient or a claim that is wrong somewhere else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gradcli.derivation.derivations import Derivations
from gradcli.errors import ExecutionError
from gradcli.execution.comparison.evaluation import Evaluation, evaluate_run
from gradcli.execution.comparison.second_quotients import at_kinks
from gradcli.execution.forward.finite import has_nan
from gradcli.execution.forward.further import further_points, names_drawn
from gradcli.execution.forward.run import run_program
from gradcli.execution.forward.sampling import is_finite, run_at_a_point
from gradcli.execution.forward.source import Source
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.run import Run, start_from
from gradcli.execution.witnesses.claims_at_kinks import judged_claims
from gradcli.execution.witnesses.numerical_verdict import NumericalWitnesses
from gradcli.language.program import Program
from gradcli.report.verdict import Verdict
from gradcli.settings import Settings
from gradcli.witnesses import DIFFERENCES, SYMBOLIC

# How far off a claim must be to be wrong far away, relative to the largest gradient there and at the point drawn: it
# may cancel there, where the symbolic derivative does not.
CLEAR = 1e-6


def look_further(
    program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations
) -> tuple[int, Run | None]:
    """Return how many further points there were, and the run of the first at which something is wrong.

    What is undecided or not defined there, or a choice at a kink, is not a finding: these points are chosen for it. A
    claim that is none of the choices is one, and so is one that is NaN where there is a derivative.
    """
    if not isinstance(program, Program) or not _may_find(settings) or not names_drawn(program, settings, given):
        return 0, None
    quiet = dataclasses.replace(settings, formulas=False)
    trace = run_at_a_point(program, settings, given)
    points, looked_at, sizes = further_points(program, settings, given, trace), 0, None
    for place, point in enumerate(points):
        run = _run(program, quiet, {**given, **point}, derivations, sparse=place % 2 == 1)
        if run is None:
            continue
        if sizes is None:  # claims alone are measured by them
            own = start_from(program, quiet, trace, derivations) if settings.claims else None
            sizes = {} if own is None else _sizes(evaluate_run(own))
        looked_at += 1
        if _is_wrong(run, sizes):  # its graph is spent
            trace = run_program(program, settings, {**given, **point})
            again = start_from(program, settings, trace, derivations)
            return looked_at, dataclasses.replace(again, cotangent=run.cotangent)
    return looked_at, None


def _may_find(settings: Settings) -> bool:
    """Return whether anything can be reported from a further point: a wrong claim, or what finite differences deny."""
    deniable = settings.dtype == "float64" and DIFFERENCES in settings.witnesses
    return settings.verify and SYMBOLIC in settings.witnesses and (bool(settings.claims) or deniable)


def _run(
    program: Program, settings: Settings, given: Mapping[str, Any], derivations: Derivations, *, sparse: bool
) -> Run | None:
    """Return the run at a point, a random upstream gradient having zeros if asked for; None if it is not finite."""
    try:
        trace = run_program(program, settings, given)
        if not is_finite(trace):
            return None
        run = start_from(program, settings, trace, derivations)
    except ExecutionError:
        return None
    if not sparse or run.settings.grad_output != "random":
        return run
    place = torch.arange(run.cotangent.numel()).reshape(run.cotangent.shape)
    return dataclasses.replace(run, cotangent=torch.where(place % 2 == 0, 0, run.cotangent))


def _sizes(evaluation: Evaluation) -> dict[str, float]:
    """Return how large each tensor's gradient is, by name."""
    return {found.name: _size(found.gradient) for found in evaluation.reports.values()}


def _is_wrong(run: Run, sizes: Mapping[str, float]) -> bool:
    """Return whether a claim is wrong where autograd is right, or autograd where finite differences say so too."""
    evaluation = evaluate_run(run)
    verdicts = {traced: found.verdict for traced, found in evaluation.reports.items()}
    claims = judged_claims(run, evaluation)
    for traced, claim in claims.items():
        found = evaluation.reports[traced]
        scale = max(_size(found.gradient), sizes.get(found.name, 0.0))
        clear = claim.max_abs_error is None or not claim.max_abs_error <= CLEAR * scale
        passes = found.verdict is not None and found.verdict.passes
        if claim.verdict is Verdict.MISMATCH and passes and clear:
            return True
        if has_nan(claim.value) and found.verdict is Verdict.MATCH and not _is_at_kink(run):
            return True
    wrong = [traced for traced, verdict in verdicts.items() if verdict is Verdict.MISMATCH]
    return run.settings.dtype == "float64" and any(_denied(run, evaluation, traced) for traced in wrong)


def _is_at_kink(run: Run) -> bool:
    """Return whether an op is at one of its kinks, be it that no gradient passes: x/|x| may be NaN there."""
    return run.decomposition is not None and at_kinks(run.decomposition)


def _denied(run: Run, evaluation: Evaluation, traced: TracedTensor) -> bool:
    """Return whether finite differences deny autograd's gradient and not the symbolic one, and no jump is near."""
    gradient = evaluation.gradients.get(traced)
    if gradient is None or DIFFERENCES not in run.settings.witnesses:
        return False
    witnesses = NumericalWitnesses.of(run, (DIFFERENCES,))
    symbolic = evaluation.reports[traced].symbolic
    verdict = witnesses.check(traced, gradient, symbolic.value if symbolic else None)
    if verdict is None or verdict.decides or verdict.against_symbolic or verdict.conventions:
        return False
    return verdict.witnesses[DIFFERENCES].verdict is Verdict.MISMATCH


def _size(gradient: Tensor | None) -> float:
    if gradient is None:
        return 0.0
    finite = gradient.detach()[gradient.isfinite()].abs()
    return float(finite.max()) if finite.numel() else 0.0
