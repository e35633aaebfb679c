"""Finite differences of the function, entry by entry, beside a gradient."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gradcli.execution.witnesses.agreement import agreement
from gradcli.execution.witnesses.question import Question
from gradcli.report.report import WitnessReport
from gradcli.tolerance import Tolerance
from gradcli.witnesses import WitnessRow


@dataclass(frozen=True, slots=True)
class FiniteDifferences:
    """Finite differences of the function, entry by entry."""

    row: WitnessRow

    def check(self, question: Question, gradient: Tensor, tolerance: Tolerance) -> WitnessReport:
        """Return what finite differences say of a gradient."""
        quotients = question.quotients
        found = agreement(
            question.line,
            quotients,
            gradient,
            tolerance,
            bends=question.bends,
            jumps=question.jumps,
            decides=question.decides,
            excused=question.excused,
        )
        error = quotients.error if found.error is None else found.error
        estimate = float(error.max()) if error.numel() else 0.0
        projections = None if quotients.directions is None else len(quotients.directions)
        return WitnessReport(found.verdict, found.max_abs_error, estimate, projections, notes=found.notes)
