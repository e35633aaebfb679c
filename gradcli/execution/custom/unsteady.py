"""A forward that gives another output each time it runs with the same inputs: nothing can be compared with it."""

from __future__ import annotations

from gradcli.execution.comparison.reports import report_on
from gradcli.execution.custom.checks.contract import near
from gradcli.execution.custom.gradients import AUTOGRAD, ComparedGradients
from gradcli.execution.targets.function.trial import Applied, Trial
from gradcli.report.custom import Check
from gradcli.report.notes import Note, NoteKind
from gradcli.report.verdict import Verdict

RUNS = 2
WORDS = (
    Note(
        NoteKind.LIMIT,
        "forward gives another output each time it runs with the same inputs, so that nothing can be compared with it",
    ),
    Note(NoteKind.REMEDY, "pass what changes as an argument, and draw with PyTorch's random numbers"),
)


def is_unsteady(trial: Trial) -> bool:
    """Return whether forward gives other numbers when it runs again at the trial's point, beyond rounding."""
    first, *others = (trial.function(trial.point).detach() for _ in range(RUNS))
    return any(other.shape != first.shape or not near(first, other, trial.tolerance, 0.0) for other in others)


def left_undecided(trial: Trial, applied: Applied) -> ComparedGradients:
    """Return the judgement of the gradients of such a forward: none."""
    gradients = applied.gradients(trial.cotangent)
    tensors = [
        report_on(
            value,
            name,
            grad=gradients.get(name),
            gradient=gradients.get(name),
            verdict=Verdict.UNDECIDED if value.requires_grad else None,
            notes=WORDS if value.requires_grad else (),
        )
        for name, value in trial.point.items()
    ]
    checks = (Check(AUTOGRAD, Verdict.UNDECIDED, WORDS),)
    return ComparedGradients(tuple(tensors), checks, None, left_out=WORDS)
