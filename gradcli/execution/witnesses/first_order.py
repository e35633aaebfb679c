"""Whether a program has a first derivative, where a second one is asked for: by the program, not by its single ops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradcli.execution.comparison.evaluation import Evaluation, Gradients, compare_all, tensor_report
from gradcli.execution.comparison.leaf_derivatives import undefined_of
from gradcli.execution.comparison.nonfinite import has_jump
from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.run import Run
from gradcli.execution.witnesses.bends import where_it_bends
from gradcli.execution.witnesses.decisions import decides
from gradcli.execution.witnesses.numerical_verdict import NumericalWitnesses
from gradcli.report.notes import Notes
from gradcli.report.report import TensorReport
from gradcli.report.verdict import Verdict


def chooses(run: Run, leaves: Sequence[TracedTensor]) -> bool:
    """Return whether an op is where it jumps, or the program decides otherwise next to the point."""
    if has_jump(run.trace):
        return True
    witnesses = NumericalWitnesses.of(run, []) if decides(run.trace) else None
    return witnesses is not None and any(map(witnesses.decisions.by, leaves))


def without_first_derivative(run: Run, leaves: Sequence[TracedTensor], *, looks: bool) -> dict[TracedTensor, Notes]:
    """Return the leaves by which a program has no first derivative, and why; `looks` where the program chooses.

    An op may jump where the program does not, and a program that decides by its values where no op does.
    """
    undefined = undefined_of(run)
    notes = dict(undefined.notes)
    if not looks:
        return notes
    for leaf, report in _reports(run, leaves, undefined.gradients).items():
        if report.verdict is Verdict.UNDEFINED:
            notes.setdefault(leaf, report.notes)
        elif report.verdict is not Verdict.UNDECIDED and leaf in undefined.jumping:
            del notes[leaf]
    return notes


def _reports(run: Run, leaves: Sequence[TracedTensor], gradients: Gradients) -> Mapping[TracedTensor, TensorReport]:
    """Return the reports on the first derivatives by leaves."""
    comparisons = compare_all(run, gradients)
    reports = {leaf: tensor_report(leaf, run.names[leaf], gradients, comparisons, None) for leaf in leaves}
    return where_it_bends(run, Evaluation(gradients, comparisons, reports))
