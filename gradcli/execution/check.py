"""`check`: a program at one or several points, each gradient compared with every witness asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from gradcli.errors import NotSupportedError
from gradcli.execution.drawing import run_at_a_point
from gradcli.execution.evaluation import evaluate_run, overall
from gradcli.execution.run import report, start_from
from gradcli.program import Program
from gradcli.report import Point, Report
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
    run = start_from(program, settings, run_at_a_point(program, settings, given))
    reports = list(evaluate_run(run).reports.values())
    return report(run, reports, overall(reports) if settings.verify else None)
