"""A gradient in a lower precision of which there is no symbolic derivative: whether only rounding makes it wrong."""

from __future__ import annotations

from gradcli.execution.forward.trace import TracedTensor
from gradcli.execution.witnesses.numerical_verdict import NumericalWitnesses
from gradcli.execution.witnesses.other_dtype import double_gradient
from gradcli.report.notes import NoteKind, noted
from gradcli.report.report import TensorReport
from gradcli.report.verdict import Verdict

IN_DOUBLE = noted(
    NoteKind.ROUNDING, "autograd is off by rounding in this precision: in float64 it agrees with finite differences"
)


def is_rounded(
    witnesses: NumericalWitnesses, report: TensorReport, traced: TracedTensor, *, bends: bool, jumps: bool
) -> bool:
    """Return whether only the precision makes a gradient wrong of which there is no symbolic derivative.

    How far rounding may move that is not known; but in double precision the witnesses do not deny it.
    """
    if not witnesses.tolerance.normwise or report.verdict is not Verdict.UNDECIDED:
        return False
    exact = double_gradient(witnesses.run, report.name)
    again = None if exact is None else witnesses.check(traced, exact, None, bends=bends, jumps=jumps)
    return again is not None and bool(again.agreeing) and not again.by(Verdict.MISMATCH, Verdict.UNDEFINED)
