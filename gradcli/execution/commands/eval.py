"""`eval`: every leaf's and non-leaf's gradient beside the symbolic one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from gradcli.derivation.derivations import Derivations
from gradcli.execution.autograd.hooks import watch
from gradcli.execution.comparison.evaluation import evaluate_run
from gradcli.execution.forward.source import Source
from gradcli.execution.run import report, start
from gradcli.execution.witnesses.bends import where_it_bends
from gradcli.report.eval import EvalDetails
from gradcli.report.notes import Note, NoteKind
from gradcli.report.report import Report, TensorReport
from gradcli.settings import Settings


def eval(  # noqa: A001  # the command's name
    program: Source, settings: Settings, given: Mapping[str, Any], derivations: Derivations
) -> Report:
    """Return the report of `eval`."""
    run = start(program, settings, given, derivations)
    fired = watch(run.trace, run.names) if settings.hooks else None
    reports = [*where_it_bends(run, evaluate_run(run)).values()]
    reports = [_marked(found, settings.detach) for found in reports] if settings.detach else reports
    details = EvalDetails(None if fired is None else tuple(fired))
    return report(run, reports, details)


def _marked(found: TensorReport, detached: Sequence[str]) -> TensorReport:
    """Return the report of a tensor with a note where `--detach` cuts its gradient off."""
    if "".join(found.name.partition(" (")[0].split()) not in {"".join(name.split()) for name in detached}:
        return found
    words = "detached: its value goes on as a constant, so that no gradient comes back through it"
    return dataclasses.replace(found, notes=(Note(NoteKind.DETACHED, words), *found.notes))
