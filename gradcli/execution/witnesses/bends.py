"""Where a program bends or jumps, its own difference quotients have the last word on a gradient.

The symbolic side decides at each kink by itself, and treats what the program decides by its values as constant: kinks
that cancel, or a maximum written with `where`, are seen only by the program as a whole.
"""

from __future__ import annotations

import dataclasses

from torch import Tensor

from gradcli.execution.comparison.evaluation import Evaluation
from gradcli.execution.forward.tracer import Trace, TracedTensor
from gradcli.execution.run import Run
from gradcli.execution.witnesses.consensus import consensus
from gradcli.execution.witnesses.numerical_verdict import NumericalWitnesses
from gradcli.report.report import TensorReport
from gradcli.report.verdict import Verdict
from gradcli.witnesses import DIFFERENCES

OPEN = frozenset({Verdict.MATCH, Verdict.SUBGRADIENT, Verdict.MISMATCH})


def where_it_bends(run: Run, evaluation: Evaluation) -> dict[TracedTensor, TensorReport]:
    """Return the tensors' reports, with what finite differences say where there is a kink or a decision."""
    reports = dict(evaluation.reports)
    comparisons = evaluation.comparisons
    if comparisons is None or not (comparisons.reference.kinked or _decides(run.trace)):
        return reports
    witnesses = NumericalWitnesses.of(run, [DIFFERENCES])
    for traced, report in reports.items():
        gradient = evaluation.gradients.get(traced)
        if gradient is None or report.verdict not in OPEN:
            continue
        if traced in comparisons.reference.kinked or witnesses.decides(traced):
            verdict = witnesses.check(traced, gradient, contradicted_by(report))
            said = report if verdict is None else consensus(report, verdict)
            reports[traced] = dataclasses.replace(said, witnesses=None)
    return reports


def contradicted_by(report: TensorReport) -> Tensor | None:
    """Return the symbolic derivative that autograd's gradient is not; None if there is none."""
    if report.symbolic is None or report.verdict is not Verdict.MISMATCH:
        return None
    value: Tensor | None = report.symbolic.value
    return value


def _decides(trace: Trace) -> bool:
    """Return whether the program computes truth values or integers, or might branch by them."""
    tensors = [traced.tensor for call in trace.calls for traced in call.outputs]
    return any(not (tensor.is_floating_point() or tensor.is_complex()) for tensor in tensors)
