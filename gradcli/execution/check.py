"""`check`: a program at one or several points, each gradient compared with every witness asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from gradcli.errors import NotSupportedError
from gradcli.execution.drawing import run_at_a_point
from gradcli.execution.evaluation import Evaluation, evaluate_run, overall
from gradcli.execution.run import Run, report, start_from
from gradcli.execution.testimony import Witnesses
from gradcli.execution.verdicts import weigh
from gradcli.program import Program
from gradcli.report import Point, Report, TensorReport
from gradcli.settings import Settings


def check(program: Program, settings: Settings, given: Mapping[str, Any]) -> Report:
    """Return the report of the first point with the worst verdict; `points` lists all of them, if there are several."""
    if settings.claims:
        raise NotSupportedError("claims are not supported yet")
    seeds = [settings.seed + place for place in range(settings.points)]
    reports = [_check_at(program, dataclasses.replace(settings, seed=seed), given) for seed in seeds]
    worst = max(reports, key=lambda found: -1 if found.verdict is None else found.verdict.rank)
    if len(reports) == 1:
        return worst
    return dataclasses.replace(worst, points=tuple(Point(found.seed, found.verdict) for found in reports))


def _check_at(program: Program, settings: Settings, given: Mapping[str, Any]) -> Report:
    """Return the report of one point: the one that the seed draws, unless values are given."""
    trace = run_at_a_point(program, settings, given)
    symbolic = settings.verify and "symbolic" in settings.witnesses
    run = start_from(program, dataclasses.replace(settings, verify=symbolic), trace)
    evaluation = evaluate_run(run)
    if not settings.verify:
        return report(run, list(evaluation.reports.values()), None)
    reports = _heard(run, evaluation)
    return report(run, reports, overall(reports))


def _heard(run: Run, evaluation: Evaluation) -> list[TensorReport]:
    """Return the tensors' reports with what the numerical witnesses say."""
    if {*run.settings.witnesses} <= {"symbolic"}:
        return list(evaluation.reports.values())
    witnesses, reports = Witnesses.of(run), []
    for traced, found in evaluation.reports.items():
        gradient = evaluation.gradients.get(traced)
        reference = None if found.symbolic is None else found.symbolic.value
        testimony = None if gradient is None else witnesses.hear(traced, gradient, reference)
        reports.append(found if testimony is None else weigh(found, testimony))
    return reports
