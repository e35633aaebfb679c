"""The report of one tensor, and of the symbolic derivative beside its gradient: every command makes them here."""

from __future__ import annotations

from torch import Tensor

from gradcli.derivation.formulas import Formula
from gradcli.report.comparison import Comparison, Symbolic
from gradcli.report.notes import Notes
from gradcli.report.report import TensorReport, WitnessReport
from gradcli.report.verdict import Verdict


def report_on(
    tensor: Tensor,
    name: str,
    *,
    kind: str = "leaf",
    grad_fn: str | None = None,
    grad: Tensor | None = None,
    gradient: Tensor | None = None,
    symbolic: Symbolic | None = None,
    verdict: Verdict | None = None,
    notes: Notes = (),
    source: str | None = None,
    module: str | None = None,
    witnesses: dict[str, WitnessReport] | None = None,
) -> TensorReport:
    """Return the report of a tensor: what it is, what its gradient is, and how that compares."""
    return TensorReport(
        name=name,
        kind=kind,
        shape=tuple(tensor.shape),
        requires_grad=tensor.requires_grad,
        grad_fn=grad_fn,
        value=tensor.detach(),
        grad=grad,
        gradient=None if gradient is None else gradient.detach(),
        symbolic=symbolic,
        verdict=verdict,
        notes=notes,
        source=source,
        module=module,
        witnesses=witnesses,
    )


def symbolic_side(
    value: Tensor | None, comparison: Comparison | None, formula: Formula | None = None
) -> Symbolic | None:
    """Return the symbolic derivative with how it compares; None if it is undecided, or was not compared."""
    if value is None or comparison is None:
        return None
    text, latex = (None, None) if formula is None else (formula.text, formula.latex)
    return Symbolic(text, latex, value, comparison)


def contradicted_by(report: TensorReport) -> Tensor | None:
    """Return the symbolic derivative that autograd's gradient is not; None if there is none."""
    if report.symbolic is None or report.verdict is not Verdict.MISMATCH:
        return None
    value: Tensor | None = report.symbolic.value
    return value
